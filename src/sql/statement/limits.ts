import { ForebayError } from '../../model/errors.js'
import type { Token } from './tokenizer.js'

/** Longest SQL text, in characters. */
export const sqlCharactersMax = 1_000_000
/** Deepest nesting of brackets and CASE; DuckDB itself stops expressions at 1,000 levels, but not before it has walked into them. */
export const nestingMax = 400
/** Most set operations in one statement: DuckDB's binder takes minutes for 20,000 branches and cannot be interrupted there. */
const setOperationsMax = 1_000
/** Longest run of prefix operators or NOTs, each of which is a level of its own. */
const prefixRunMax = 400

const opening = new Set(['(', '[', '{'])
const closing = new Set([')', ']', '}'])
const setOperations = new Set(['union', 'intersect', 'except'])
const prefixes = new Set(['not', '-', '+', '~', '!', '@'])

/** Refuses text that is too long before anything else looks at it. */
export function checkLength(sql: string): void {
  if (sql.length > sqlCharactersMax)
    throw tooBig(`the statement has ${sql.length} characters, the limit is ${sqlCharactersMax}`, sqlCharactersMax)
  if (sql.includes('\0')) throw new ForebayError('SQL_SYNTAX', 'zero byte in the statement', { position: sql.indexOf('\0') })
}

/** Refuses shapes that would exhaust a parser or binder, with the place where the limit was passed. */
export function checkShape(tokens: readonly Token[]): void {
  let depth = 0
  let run = 0
  let operations = 0
  for (const { kind, value, start } of tokens) {
    if (kind !== 'word' && kind !== 'symbol') {
      run = 0
      continue
    }
    if (opening.has(value) || value === 'case') depth++
    else if (closing.has(value) || value === 'end') depth = Math.max(0, depth - 1)
    run = prefixes.has(value) ? run + 1 : 0
    if (setOperations.has(value)) operations++
    if (depth > nestingMax) throw tooBig(`the statement nests deeper than ${nestingMax} levels`, start)
    if (run > prefixRunMax) throw tooBig(`more than ${prefixRunMax} prefix operators in a row`, start)
    if (operations > setOperationsMax) throw tooBig(`more than ${setOperationsMax} set operations in one statement`, start)
  }
}

function tooBig(message: string, position: number): ForebayError {
  return new ForebayError('NOT_SUPPORTED', message, {
    position,
    hint: 'split the statement, or keep intermediate results in a table',
  })
}
