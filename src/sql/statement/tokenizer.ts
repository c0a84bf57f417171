import { ForebayError } from '../../model/errors.js'

/**
 * A tokenizer for DuckDB's SQL, only as fine as needed to find where statements begin and end, to read the header of a
 * statement and to bound what reaches DuckDB's parser. What it cannot read (an open string, an open comment) is a syntax
 * error here, so that nothing is ever cut in the middle of a literal.
 */
type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'parameter' | 'symbol'

export interface Token {
  readonly kind: TokenKind
  /** As written. */
  readonly text: string
  /** Words in lower case; quoted identifiers and plain strings without their quotes; else the text. */
  readonly value: string
  /** Character offsets into the text, [start, end). */
  readonly start: number
  readonly end: number
}

const wordStart = /[\p{L}_\u0080-\uffff]/u
const wordPart = /[\p{L}\p{N}_$\u0080-\uffff]/u
const space = /[\s\u00a0\u200b\ufeff]/
const numberPattern = /0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?/y
const dollarTag = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy
const parameterPattern = /\$(?:[\p{L}\p{N}_]+)|\?\d*/uy

/** Splits SQL into tokens without comments and white space. Linear in the text; throws SQL_SYNTAX where a literal or comment does not end. */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < sql.length) {
    const blank = skipBlank(sql, at)
    if (blank > at) {
      at = blank
      continue
    }
    const token = readToken(sql, at)
    tokens.push(token)
    at = token.end
  }
  return tokens
}

function skipBlank(sql: string, from: number): number {
  const char = sql[from] as string
  if (space.test(char)) return from + 1
  if (sql.startsWith('--', from)) {
    const end = sql.indexOf('\n', from)
    return end < 0 ? sql.length : end + 1
  }
  return sql.startsWith('/*', from) ? endOfComment(sql, from) : from
}

function endOfComment(sql: string, from: number): number {
  let depth = 0
  const marks = /\/\*|\*\//g
  marks.lastIndex = from
  for (let mark = marks.exec(sql); mark !== null; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1
    if (depth === 0) return marks.lastIndex
  }
  throw new ForebayError('SQL_SYNTAX', 'unterminated comment', { position: from })
}

function readToken(sql: string, start: number): Token {
  const char = sql[start] as string
  const make = (kind: TokenKind, end: number, value = sql.slice(start, end)): Token => ({
    kind,
    text: sql.slice(start, end),
    value,
    start,
    end,
  })
  if (char === "'") {
    const end = endOfQuoted(sql, start, "'", 'unterminated string')
    return make('string', end, sql.slice(start + 1, end - 1).replaceAll("''", "'"))
  }
  if (char === '"') {
    const end = endOfQuoted(sql, start, '"', 'unterminated quoted identifier')
    return make('quoted', end, sql.slice(start + 1, end - 1).replaceAll('""', '"'))
  }
  if ((char === 'e' || char === 'E') && sql[start + 1] === "'") return make('string', endOfEscapeString(sql, start))
  if (char === '$') {
    const tag = match(dollarTag, sql, start)
    if (tag !== undefined) return dollarString(sql, start, tag)
  }
  if (char === '$' || char === '?') return make('parameter', start + (match(parameterPattern, sql, start) ?? char).length)
  const number = match(numberPattern, sql, start)
  if (number !== undefined) return make('number', start + number.length)
  if (wordStart.test(char)) {
    let end = start + 1
    while (end < sql.length && wordPart.test(sql[end] as string)) end++
    return make('word', end, sql.slice(start, end).toLowerCase())
  }
  return make('symbol', start + 1)
}

function match(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(sql)?.[0]
}

function endOfQuoted(sql: string, start: number, quote: string, problem: string): number {
  let at = start + 1
  for (;;) {
    const end = sql.indexOf(quote, at)
    if (end < 0) throw new ForebayError('SQL_SYNTAX', problem, { position: start })
    if (sql[end + 1] !== quote) return end + 1
    at = end + 2
  }
}

function endOfEscapeString(sql: string, start: number): number {
  for (let at = start + 2; at < sql.length; at++) {
    if (sql[at] === '\\') at++
    else if (sql[at] === "'" && sql[at + 1] === "'") at++
    else if (sql[at] === "'") return at + 1
  }
  throw new ForebayError('SQL_SYNTAX', 'unterminated string', { position: start })
}

function dollarString(sql: string, start: number, tag: string): Token {
  const close = sql.indexOf(tag, start + tag.length)
  if (close < 0) throw new ForebayError('SQL_SYNTAX', 'unterminated dollar-quoted string', { position: start })
  const end = close + tag.length
  return { kind: 'string', text: sql.slice(start, end), value: sql.slice(start + tag.length, close), start, end }
}
