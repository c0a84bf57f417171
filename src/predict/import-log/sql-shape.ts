import { stableHash } from '../../model/segment.js'

/** What a statement's text tells without a parser. */
export interface SqlShape {
  /** Names the text without its literals. */
  readonly template: string
  /** The literals, as they stand. */
  readonly args: readonly string[]
  readonly kind: 'read' | 'write'
  /** Names after FROM and JOIN. */
  readonly tables: readonly string[]
}

const token =
  /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|\$\$[\s\S]*?\$\$|"(?:[^"]|"")*"|`[^`]*`|\$\d+|[A-Za-z_][\w$]*|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\s+|[\s\S]/g
const writes = /^(insert|update|delete|merge|create|copy|truncate|drop|alter|unload|refresh|vacuum)$/
const name = /^(?:[A-Za-z_][\w$]*|"(?:[^"]|"")*"|`[^`]*`)$/
const notTables = new Set(['select', 'lateral', 'unnest', 'values', 'only', 'table'])

/**
 * Shape of a statement in any dialect: literals out, comments and layout off, words in lower case, lists of literals as one. Logs
 * of other systems come without our parser's fingerprints; two texts of one shape are one template.
 */
export function sqlShape(sql: string): SqlShape {
  const args: string[] = []
  const words: string[] = []
  for (const [text] of sql.matchAll(token)) {
    if (/^(?:\s|--|\/\*)/.test(text)) continue
    if (/^(?:'|\d|\$\$)/.test(text)) {
      args.push(text.startsWith("'") ? text.slice(1, -1).replaceAll("''", "'") : text)
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

function tablesOf(words: readonly string[]): readonly string[] {
  const found = new Set<string>()
  for (let i = 0; i < words.length - 1; i++) {
    if (words[i] !== 'from' && words[i] !== 'join') continue
    const parts: string[] = []
    for (let j = i + 1; j < words.length && name.test(words[j] as string); j += 2) {
      parts.push((words[j] as string).replace(/^["`]|["`]$/g, ''))
      if (words[j + 1] !== '.') break
    }
    const [first] = parts
    if (first !== undefined && !notTables.has(first)) found.add(parts.join('.'))
  }
  return [...found].sort()
}
