import { randomUUID } from 'node:crypto'

/**
 * DuckDB's AST as JSON text, without loss. JSON.parse would round integers beyond 2^53 (constants, and the "no location" of
 * 2^64 - 1, which DuckDB then refuses to read back), print 1000.0 as 1000 and refuse Infinity. Such numbers are
 * kept as strings behind a mark that no SQL text can guess, and turned back when the tree is printed.
 */
export interface AstObject {
  [key: string]: AstValue
}
export type AstValue = string | number | boolean | null | AstObject | AstValue[]

const mark = `number:${randomUUID()}:`
/**
 * Numbers after a key that may lose something: 16 digits or more, a fraction or exponent, or no number of JSON's at all. Inside
 * a string a quotation mark is always escaped, so `":` without a backslash before it ends a key.
 */
const riskyNumber = /(?<!\\)":(-?\d+[.eE][\d.eE+-]*|-?\d{16,}|-?Infinity|NaN)/g
const marked = new RegExp(`"${mark}([^"]*)"`, 'g')

/** Reads DuckDB's JSON. */
export function parseAst(json: string): AstValue {
  return JSON.parse(
    json.replace(riskyNumber, (found, token: string) => (isExact(token) ? found : `":"${mark}${token}"`)),
  ) as AstValue
}

/** True for numbers that JavaScript would print as they stand here (not so `1000.0`, which is a DOUBLE). */
function isExact(token: string): boolean {
  return Number.isFinite(Number(token)) && String(Number(token)) === token
}

/** Writes a tree as DuckDB reads it: numbers come out as they came in. */
export function printAst(value: AstValue): string {
  return JSON.stringify(value).replace(marked, '$1')
}

/** The digits of a number as it stands in the tree, or undefined where the value is none. */
export function numberText(value: AstValue | undefined): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value.startsWith(mark) ? value.slice(mark.length) : undefined
}
