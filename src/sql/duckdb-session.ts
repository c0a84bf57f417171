import { type DuckDBConnection, DuckDBInstance, type DuckDBPreparedStatement, LIST, listValue, VARCHAR } from '@duckdb/node-api'
import { ForebayError } from '../model/errors.js'
import type { Column } from '../model/segment.js'
import { type AstObject, parseAst, printAst } from './ast-text.js'
import { child, children, isObject, quoteName, textOf } from './ast-walk.js'

/**
 * DuckDB as a planner uses it: to parse, to print and to bind, never to run a user's statement over data. It has no files,
 * no extensions and no settings to change but the time zone; what a user's SQL may call is decided before it comes here.
 */
export class DuckDBSession {
  readonly #connection: DuckDBConnection
  readonly #serialize: DuckDBPreparedStatement
  readonly #print: DuckDBPreparedStatement
  readonly #plan: DuckDBPreparedStatement
  readonly #standIns = new Map<string, string>()
  #timeZone = ''

  private constructor(
    connection: DuckDBConnection,
    serialize: DuckDBPreparedStatement,
    print: DuckDBPreparedStatement,
    plan: DuckDBPreparedStatement,
  ) {
    this.#connection = connection
    this.#serialize = serialize
    this.#print = print
    this.#plan = plan
  }

  static async open(): Promise<DuckDBSession> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
    const connection = await instance.connect()
    for (const statement of lockDown) await connection.run(statement)
    await checkLocked(connection)
    return new DuckDBSession(
      connection,
      await connection.prepare('SELECT json_serialize_sql($1::VARCHAR)'),
      await connection.prepare('SELECT list_transform($1::VARCHAR[], lambda x: json_deserialize_sql(x::JSON))'),
      await connection.prepare('SELECT json_serialize_plan($1::VARCHAR)'),
    )
  }

  /** What `'2026-01-01'::TIMESTAMPTZ` and the like mean from now on. An unknown name is PARAMETER_INVALID. */
  async useTimeZone(timeZone: string): Promise<void> {
    if (timeZone === this.#timeZone) return
    try {
      await this.#connection.run(`SET TimeZone = '${timeZone.replaceAll("'", "''")}'`)
    } catch (cause) {
      throw new ForebayError('PARAMETER_INVALID', `time zone "${timeZone}" is not known`, {
        hint: 'use an IANA name, e.g. Europe/Berlin',
        cause,
      })
    }
    this.#timeZone = timeZone
  }

  /** The node of the one SELECT in the text; SQL_SYNTAX with its character position within the text otherwise. */
  async parse(sql: string): Promise<AstObject> {
    this.#serialize.bindVarchar(1, sql)
    const answer = parseAst((await this.#firstValue(this.#serialize)) as string)
    if (!isObject(answer)) throw new ForebayError('INTERNAL', 'the parser gave no tree')
    if (answer.error === true) throw syntaxError(answer, sql)
    const [statement, second] = children(answer, 'statements')
    const node = statement === undefined ? undefined : child(statement, 'node')
    if (node === undefined || second !== undefined)
      throw new ForebayError('SQL_SYNTAX', 'expected exactly one SELECT', { position: 0 })
    return node
  }

  /** SQL text of each query node. */
  async print(nodes: readonly AstObject[]): Promise<readonly string[]> {
    const documents = nodes.map((node) => printAst({ error: false, statements: [{ node, named_param_map: [] }] }))
    this.#print.bindList(1, listValue(documents), LIST(VARCHAR))
    const list = (await this.#firstValue(this.#print)) as { readonly items: readonly string[] }
    return list.items
  }

  /** Names and types of the answer, as DuckDB's DESCRIBE has them. */
  async describe(sql: string): Promise<readonly Column[]> {
    const rows = await this.rows(`DESCRIBE ${sql}`)
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }))
  }

  /** The same for several statements in one round trip. */
  async describeAll(statements: readonly string[]): Promise<readonly (readonly Column[])[]> {
    const parts = statements.map((sql, index) => `SELECT ${index}, column_name, column_type FROM (DESCRIBE ${sql})`)
    const rows = await this.rows(parts.join(' UNION ALL '))
    return statements.map((_, index) =>
      rows.flatMap(([part, name, type]) => (part === index ? [{ name: String(name), type: String(type) }] : [])),
    )
  }

  /** The unoptimised bound plan's root operator. */
  async boundPlan(sql: string): Promise<AstObject> {
    this.#plan.bindVarchar(1, sql)
    const answer = parseAst((await this.#firstValue(this.#plan)) as string)
    if (!isObject(answer)) throw new ForebayError('INTERNAL', 'the binder gave no plan')
    if (answer.error === true)
      throw new Error(`${titleCase(textOf(answer, 'error_type'))} Error: ${textOf(answer, 'error_message')}`)
    const root = children(answer, 'plans')[0]
    if (root === undefined) throw new ForebayError('INTERNAL', 'the binder gave no plan')
    return root
  }

  /** Makes an empty table of this name and columns, so that SQL over it can be bound. */
  async standIn(name: string, columns: readonly Column[]): Promise<void> {
    const definition = columns.map((column) => `${quoteName(column.name)} ${column.type}`).join(', ')
    if (this.#standIns.get(name) === definition) return
    this.#standIns.delete(name)
    await this.#connection.run(`CREATE OR REPLACE TEMP TABLE ${quoteName(name)} (${definition})`)
    this.#standIns.set(name, definition)
  }

  /** Lower-case names of every function that DuckDB has. */
  async functionNames(): Promise<ReadonlySet<string>> {
    const rows = await this.rows('SELECT DISTINCT lower(function_name) FROM duckdb_functions()')
    return new Set(rows.map(([name]) => String(name)))
  }

  /** Rows of a statement of our own making. */
  async rows(sql: string): Promise<readonly (readonly unknown[])[]> {
    const result = await this.#connection.run(sql)
    // The result is there as a whole: its chunks are taken at once, not by a turn of the thread pool each.
    return Array.from({ length: result.chunkCount }, (_, index) => result.getChunk(index).getRows()).flat()
  }

  async #firstValue(statement: DuckDBPreparedStatement): Promise<unknown> {
    const result = await statement.run()
    return result.chunkCount === 0 ? undefined : result.getChunk(0).getRows()[0]?.[0]
  }
}

/** In this order: what must be set before external access goes, then the lock. */
const lockDown = [
  'SET autoinstall_known_extensions = false',
  'SET autoload_known_extensions = false',
  'SET allow_community_extensions = false',
  'SET allow_persistent_secrets = false',
  "SET memory_limit = '512MB'",
  "SET max_temp_directory_size = '0KB'",
  "SET temp_directory = ''",
  'SET enable_external_access = false',
  "SET allowed_configs = ['TimeZone']",
  'SET lock_configuration = true',
]

async function checkLocked(connection: DuckDBConnection): Promise<void> {
  const result = await connection.runAndReadAll(
    "SELECT current_setting('enable_external_access'), current_setting('lock_configuration')",
  )
  const [external, locked] = result.getRows()[0] ?? []
  if (external !== false || locked !== true) throw new ForebayError('INTERNAL', 'the planner could not be locked down')
}

function syntaxError(answer: AstObject, sql: string): ForebayError {
  const message = textOf(answer, 'error_message')
  if (textOf(answer, 'error_type') === 'not implemented') {
    if (message.includes('Only SELECT')) {
      return new ForebayError('NOT_SUPPORTED', 'the statement is not a plain SELECT', {
        hint: 'PIVOT as a statement and writes inside WITH are not supported',
      })
    }
    return new ForebayError('NOT_SUPPORTED', message[0]?.toLowerCase() + message.slice(1))
  }
  const bytes = Number(textOf(answer, 'position'))
  const position = Number.isFinite(bytes) ? characterOffset(sql, bytes) : 0
  return new ForebayError('SQL_SYNTAX', message, { position })
}

/** DuckDB counts UTF-8 bytes, we count characters of the text as JavaScript does. */
export function characterOffset(sql: string, bytes: number): number {
  return Buffer.from(sql, 'utf8').subarray(0, bytes).toString('utf8').length
}

function titleCase(text: string): string {
  return text === '' ? 'Binder' : text[0]?.toUpperCase() + text.slice(1)
}
