import { isRelationName } from '../../model/catalogue.js'
import { ForebayError, nameNotAllowed } from '../../model/errors.js'
import { checkLength, checkShape } from './limits.js'
import { refusal, refusedObject } from './refused-statements.js'
import { TokenReader } from './token-reader.js'
import { type Token, tokenize } from './tokenizer.js'

/** The SELECT inside a statement and where it begins in the whole text. */
export interface Body {
  readonly text: string
  readonly offset: number
}

/**
 * A statement cut into its header, which DuckDB has no AST for, and its SELECT. Everything that is not named here has been
 * refused; the body is whatever follows and is judged by DuckDB's parser and the allow-list.
 */
export type Header =
  | { readonly kind: 'select'; readonly body: Body }
  | { readonly kind: 'explain'; readonly body: Body }
  | {
      readonly kind: 'create-table'
      readonly table: string
      readonly replace: boolean
      readonly ifNotExists: boolean
      readonly body: Body
    }
  | {
      readonly kind: 'insert'
      readonly table: string
      readonly columns: readonly string[]
      readonly byName: boolean
      readonly body: Body
    }
  | { readonly kind: 'drop-table'; readonly table: string; readonly ifExists: boolean }
  | {
      readonly kind: 'create-view'
      readonly view: string
      readonly replace: boolean
      readonly columns: readonly string[]
      readonly body: Body
    }
  | { readonly kind: 'drop-view'; readonly view: string; readonly ifExists: boolean }

const selectWords = new Set(['select', 'with', 'from', 'values', 'table', 'show', 'describe', 'desc', 'summarize'])

/** Reads the header of exactly one statement; a semicolon at its end is taken off. Throws SQL_SYNTAX, NOT_ALLOWED or NOT_SUPPORTED. */
export function readHeader(sql: string): Header {
  checkLength(sql)
  const tokens = oneStatement(tokenize(sql))
  checkShape(tokens)
  const end = tokens.at(-1)?.end ?? 0
  const reader = new TokenReader(tokens, end)
  const rest = (): Body => ({ text: sql.slice(reader.position(), end), offset: reader.position() })
  return readStatement(reader, rest)
}

function oneStatement(tokens: readonly Token[]): readonly Token[] {
  const isEnd = (token: Token): boolean => token.kind === 'symbol' && token.value === ';'
  const first = tokens.findIndex((token) => !isEnd(token))
  if (first < 0) throw new ForebayError('SQL_SYNTAX', 'the statement is empty', { position: 0 })
  const after = tokens.slice(first)
  const stop = after.findIndex(isEnd)
  if (stop < 0) return after
  const second = after.slice(stop).find((token) => !isEnd(token))
  if (second !== undefined) {
    throw new ForebayError('NOT_SUPPORTED', 'more than one statement in one request', {
      position: second.start,
      hint: 'send one statement at a time',
    })
  }
  return after.slice(0, stop)
}

function readStatement(reader: TokenReader, rest: () => Body): Header {
  const first = reader.peek()
  if (first === undefined) throw reader.unexpected('a statement')
  if (first.kind === 'symbol' && first.value === '(') return { kind: 'select', body: rest() }
  if (first.kind === 'word') {
    if (selectWords.has(first.value)) return { kind: 'select', body: rest() }
    if (reader.take('explain')) return readExplain(reader, rest)
    if (reader.take('create')) return readCreate(reader, rest)
    if (reader.take('insert')) return readInsert(reader, rest)
    if (reader.take('drop')) return readDrop(reader)
    const refused = refusal(first.value, first.start)
    if (refused !== undefined) throw refused
  }
  throw new ForebayError('SQL_SYNTAX', `syntax error at or near "${first.text.slice(0, 60)}"`, { position: first.start })
}

function readExplain(reader: TokenReader, rest: () => Body): Header {
  const next = reader.peek()
  if (next?.value === 'analyze' || next?.value === '(') {
    throw new ForebayError('NOT_SUPPORTED', 'EXPLAIN with options is not supported', {
      position: reader.position(),
      hint: 'EXPLAIN SELECT … shows the plan; GET /v1/queries/{id} shows what a query did',
    })
  }
  return { kind: 'explain', body: readBody(reader, rest) }
}

function readCreate(reader: TokenReader, rest: () => Body): Header {
  const replace = reader.take('or', 'replace')
  const position = reader.position()
  if (reader.take('temp') || reader.take('temporary')) throw refusedObject('CREATE', 'temporary', position)
  if (reader.take('table')) {
    const ifNotExists = reader.take('if', 'not', 'exists')
    const table = readName(reader)
    if (!reader.take('as')) {
      if (reader.peek()?.value !== '(') throw reader.unexpected('AS SELECT …')
      throw new ForebayError('NOT_SUPPORTED', 'CREATE TABLE with a list of columns is not supported', {
        position: reader.position(),
        hint: 'CREATE TABLE t AS SELECT …; an empty table: SELECT CAST(NULL AS INTEGER) AS a WHERE false',
      })
    }
    return { kind: 'create-table', table, replace, ifNotExists, body: readBody(reader, rest) }
  }
  if (reader.take('view')) {
    if (reader.take('if', 'not', 'exists')) throw refusedObject('CREATE', 'view if not exists', position)
    const view = readName(reader)
    const columns = readColumnList(reader)
    reader.expect('as')
    return { kind: 'create-view', view, replace, columns, body: readBody(reader, rest) }
  }
  throw refusedObject('CREATE', reader.peek()?.value ?? 'nothing', position)
}

function readInsert(reader: TokenReader, rest: () => Body): Header {
  if (reader.take('or')) {
    throw new ForebayError('NOT_SUPPORTED', 'INSERT OR … is not supported', { hint: 'tables have no keys', position: 0 })
  }
  reader.expect('into')
  const table = readName(reader)
  const columns = insertColumnsFollow(reader) ? readColumnList(reader) : []
  const byName = reader.take('by', 'name')
  if (!byName) reader.take('by', 'position')
  return { kind: 'insert', table, columns, byName, body: readBody(reader, rest) }
}

/** A bracket after the table's name begins either a list of columns or a SELECT in brackets. */
function insertColumnsFollow(reader: TokenReader): boolean {
  if (reader.peek()?.value !== '(') return false
  const first = reader.peek(1)
  const second = reader.peek(2)?.value
  return (first?.kind === 'quoted' || first?.kind === 'word') && (second === ',' || second === ')')
}

function readDrop(reader: TokenReader): Header {
  const position = reader.position()
  const object = reader.take('table') ? 'table' : reader.take('view') ? 'view' : undefined
  if (object === undefined) throw refusedObject('DROP', reader.peek()?.value ?? 'nothing', position)
  const ifExists = reader.take('if', 'exists')
  const name = readAnyName(reader)
  if (!reader.take('cascade')) reader.take('restrict')
  reader.expectEnd()
  return object === 'table' ? { kind: 'drop-table', table: name, ifExists } : { kind: 'drop-view', view: name, ifExists }
}

function readName(reader: TokenReader): string {
  const position = reader.position()
  const name = readAnyName(reader)
  if (!isRelationName(name)) throw nameNotAllowed(name, position)
  return name
}

/** `t`, `main.t` or `forebay.main.t`, where `t` may be a name that was allowed once. */
function readAnyName(reader: TokenReader): string {
  const position = reader.position()
  const parts = [reader.identifier('a name')]
  while (reader.take('.')) parts.push(reader.identifier('a name'))
  const qualifiers = parts.slice(0, -1).map((part) => part.toLowerCase())
  const known = ['', 'main', 'forebay', 'forebay.main'].includes(qualifiers.join('.'))
  if (!known) {
    throw new ForebayError('NAME_NOT_FOUND', `schema "${parts.slice(0, -1).join('.')}" does not exist`, {
      position,
      hint: 'all tables are in schema main',
    })
  }
  return parts.at(-1) as string
}

function readColumnList(reader: TokenReader): readonly string[] {
  if (!reader.take('(')) return []
  const names = [reader.identifier('a column')]
  while (reader.take(',')) names.push(reader.identifier('a column'))
  reader.expect(')')
  return names
}

/** The SELECT that must follow. Never recurses, so that a thousand EXPLAINs in a row are one error. */
function readBody(reader: TokenReader, rest: () => Body): Body {
  const next = reader.peek()
  const begins = next?.kind === 'word' ? selectWords.has(next.value) : next?.value === '(' && next.kind === 'symbol'
  if (begins) return rest()
  throw (next?.kind === 'word' ? refusal(next.value, next.start) : undefined) ?? reader.unexpected('SELECT')
}
