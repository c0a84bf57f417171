import { stableHash } from '../../model/segment.js'
import { tablesOf } from './tables-of.js'

/** What a statement's text tells without a parser. */
export interface SqlShape {
  /** Names the text without its literals. */
  readonly template: string
  /** The literals, as they stand. */
  readonly args: readonly string[]
  readonly kind: 'read' | 'write'
  /** Names of tables after FROM, its commas and JOIN. */
  readonly tables: readonly string[]
}

/** Whether a backslash in a plain string escapes what follows; in PostgreSQL's `E'…'` it does in any dialect. */
interface Dialect {
  readonly backslashEscapes: boolean
}

const plainString = String.raw`'(?:[^']|'')*'`
const escapedString = String.raw`'(?:[^'\\]|\\[\s\S]|'')*'`
const standardTokens = tokens(plainString)
const escapedTokens = tokens(escapedString)
const writes = /^(insert|update|delete|merge|create|copy|truncate|drop|alter|unload|refresh|vacuum)$/
/**
 * Shape of a statement in any dialect: literals out, comments and layout off, words in lower case, lists of literals as one. Logs
 * of other systems come without our parser's fingerprints; two texts of one shape are one template.
 */
export function sqlShape(sql: string, { backslashEscapes }: Dialect = { backslashEscapes: false }): SqlShape {
  const args: string[] = []
  const words: string[] = []
  for (const [text] of sql.matchAll(backslashEscapes ? escapedTokens : standardTokens)) {
    if (/^(?:\s|--|\/\*)/.test(text)) continue
    if (/^\d/.test(text)) {
      args.push(endsWithSign(words) ? `${words.pop()}${text}` : text)
      words.push('?')
    } else if (/^(?:[eE]?'|\$\$)/.test(text)) {
      args.push(text.startsWith('$') ? text : text.replace(/^[eE]?'|'$/g, '').replaceAll("''", "'"))
      words.push('?')
    } else words.push(/^[A-Za-z_]/.test(text) ? text.toLowerCase() : text)
  }
  while (words.at(-1) === ';') words.pop()
  const shape = words.join(' ').replace(/\?(?: , \?)+/g, '?')
  return {
    template: `t-${stableHash([shape], 12)}`,
    args,
    kind: writes.test(words[0] ?? '') ? 'write' : 'read',
    tables: tablesOf(words),
  }
}

function tokens(string: string): RegExp {
  const strings = String.raw`[eE]${escapedString}|${string}|\$\$[\s\S]*?\$\$`
  const names = '"(?:[^"]|"")*"|`[^`]*`' + String.raw`|\$\d+|[A-Za-z_][\w$]*`
  return new RegExp(String.raw`--[^\n]*|\/\*[\s\S]*?\*\/|${strings}|${names}|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\s+|[\s\S]`, 'g')
}

const beforeValue = /^(?:[(,=<>+*/%-]|between|and|or|not|when|then|else|select|limit|offset|by|return)$/

/** Whether a minus that a number follows is its sign: no value stands before it. */
function endsWithSign(words: readonly string[]): boolean {
  return words.at(-1) === '-' && beforeValue.test(words.at(-2) ?? '')
}
