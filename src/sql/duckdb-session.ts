import { type DuckDBConnection, DuckDBInstance, type DuckDBPreparedStatement, LIST, listValue, VARCHAR } from '@duckdb/node-api'
import { ForebayError } from '../model/errors.js'
import { quoteName, quoteText } from '../model/quote.js'
import type { Column } from '../model/segment.js'
import { AnswerMemo } from './answer-memo.js'
import { type AstObject, parseAst, printAst } from './ast-text.js'
import { child, children, isObject, textOf } from './ast-walk.js'
import { fillForm, formOf, type SqlForm } from './compared-constants.js'
import { ParsedForms } from './parsed-forms.js'

const memoCharactersMax = 8_000_000
const formsMax = 1_000

/**
 * DuckDB as a planner uses it: to parse, to print and to bind, never to run a user's statement over data. It has no files,
 * no extensions and no settings to change but the time zone; what a user's SQL may call is decided before it comes here.
 *
 * None of its answers depends on data, so they are kept: when a table has grown, the same statement is planned anew without a
 * question to DuckDB.
 */
export class DuckDBSession {
  readonly #connection: DuckDBConnection
  readonly #serialize: DuckDBPreparedStatement
  readonly #print: DuckDBPreparedStatement
  readonly #plan: DuckDBPreparedStatement
  /** Definitions of stand-ins by name: those that the statement being planned means, and those that exist. */
  readonly #meant = new Map<string, string>()
  readonly #standIns = new Map<string, string>()
  /** Trees are kept as text: whoever gets one may change it. */
  readonly #parsed = new AnswerMemo<string>(memoCharactersMax, lengthOfText)
  readonly #forms = new ParsedForms(formsMax)
  readonly #printed = new AnswerMemo<string>(memoCharactersMax, lengthOfText)
  readonly #bound = new AnswerMemo<string>(memoCharactersMax, lengthOfText)
  readonly #described = new AnswerMemo<readonly Column[]>(memoCharactersMax, lengthOfColumns)
  readonly #constants = new AnswerMemo<readonly (readonly unknown[])[]>(memoCharactersMax, lengthOfRows)
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
      await this.#connection.run(`SET TimeZone = ${quoteText(timeZone)}`)
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
    const known = this.#forms.tree(sql)
    if (known !== undefined) return known
    const answer = parseAst(await this.#parsed.answer(sql, () => this.#textOf(this.#serialize, sql)))
    if (!isObject(answer)) throw new ForebayError('INTERNAL', 'the parser gave no tree')
    if (answer.error === true) throw syntaxError(answer, sql)
    const [statement, second] = children(answer, 'statements')
    const node = statement === undefined ? undefined : child(statement, 'node')
    if (node === undefined || second !== undefined)
      throw new ForebayError('SQL_SYNTAX', 'expected exactly one SELECT', { position: 0 })
    this.#forms.learn(sql, node)
    return node
  }

  /**
   * SQL text of each query node. Statements that differ in what their conditions compare with are printed once: their form is
   * kept, after it has given what DuckDB prints.
   */
  async print(nodes: readonly AstObject[]): Promise<readonly string[]> {
    const forms = await this.forms(nodes)
    const open = nodes.filter((_, index) => forms[index] === undefined)
    const rest = open.length === 0 ? [] : await this.#printAll(open.map(documentOf))
    return forms.map((form) => (form === undefined ? (rest.shift() ?? '') : (fillForm(form.printed, form.texts) ?? '')))
  }

  /** The printed form of each query node, and what to fill it with; undefined where it does not give what DuckDB prints. */
  async forms(nodes: readonly AstObject[]): Promise<readonly (SqlForm | undefined)[]> {
    const forms = nodes.map((node) => {
      const { node: form, texts, places } = formOf(node)
      return { node, document: documentOf(form), texts, places }
    })
    const printed = await this.#printed.answers(
      forms.map(({ document }) => document),
      async (unknown) => {
        const open = unknown.map((document) => forms.find((form) => form.document === document) ?? { node: {}, texts: [] })
        const both = await this.#printAll([...unknown, ...open.map(({ node }) => documentOf(node))])
        return open.map(({ texts }, index) => {
          const form = both[index] ?? ''
          return fillForm(form, texts) === both[unknown.length + index] ? form : ''
        })
      },
    )
    return forms.map(({ texts, places }, index) => {
      const text = printed[index] ?? ''
      return text === '' || fillForm(text, texts) === undefined ? undefined : { printed: text, texts, places }
    })
  }

  /** Names and types of the answer, as DuckDB's DESCRIBE has them. */
  async describe(sql: string): Promise<readonly Column[]> {
    return this.#described.answer(this.#question(sql), async () => {
      await this.#makeStandIns(sql)
      return (await this.rows(`DESCRIBE ${sql}`)).map(([name, type]) => ({ name: String(name), type: String(type) }))
    })
  }

  /** The same for several statements in one round trip. */
  async describeAll(statements: readonly string[]): Promise<readonly (readonly Column[])[]> {
    const questions = statements.map((sql) => this.#question(sql))
    return this.#described.answers(questions, async (unknown) => {
      const open = unknown.map((question) => statements[questions.indexOf(question)] ?? '')
      for (const sql of open) await this.#makeStandIns(sql)
      const parts = open.map((sql, index) => `SELECT ${index}, column_name, column_type FROM (DESCRIBE ${sql})`)
      const rows = await this.rows(parts.join(' UNION ALL '))
      return open.map((_, index) =>
        rows.flatMap(([part, name, type]) => (part === index ? [{ name: String(name), type: String(type) }] : [])),
      )
    })
  }

  /** The unoptimised bound plan's root operator. */
  async boundPlan(sql: string): Promise<AstObject> {
    const text = await this.#bound.answer(this.#question(sql), async () => {
      await this.#makeStandIns(sql)
      const answer = await this.#textOf(this.#plan, sql)
      refuseUnbound(answer)
      return answer
    })
    const root = children(parseAst(text) as AstObject, 'plans')[0]
    if (root === undefined) throw new ForebayError('INTERNAL', 'the binder gave no plan')
    return root
  }

  /** From now on this name means a table of these columns, so that SQL over it can be bound. */
  standIn(name: string, columns: readonly Column[]): void {
    this.#meant.set(name, columns.map((column) => `${quoteName(column.name)} ${column.type}`).join(', '))
  }

  /** Rows of a SELECT over constants alone. */
  async constants(sql: string): Promise<readonly (readonly unknown[])[]> {
    return this.#constants.answer(this.#question(sql), () => this.rows(sql))
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

  async #printAll(documents: readonly string[]): Promise<string[]> {
    this.#print.bindList(1, listValue([...documents]), LIST(VARCHAR))
    return [...((await this.#firstValue(this.#print)) as { readonly items: readonly string[] }).items]
  }

  async #textOf(statement: DuckDBPreparedStatement, sql: string): Promise<string> {
    statement.bindVarchar(1, sql)
    return (await this.#firstValue(statement)) as string
  }

  /** All that an answer about this text depends on. */
  #question(sql: string): string {
    const meant = this.#namesIn(sql).map((name) => `${name} (${this.#meant.get(name)})`)
    return [this.#timeZone, ...meant, sql].join('\n')
  }

  async #makeStandIns(sql: string): Promise<void> {
    for (const name of this.#namesIn(sql)) {
      const definition = this.#meant.get(name) ?? ''
      if (this.#standIns.get(name) === definition) continue
      this.#standIns.delete(name)
      await this.#connection.run(`CREATE OR REPLACE TEMP TABLE ${quoteName(name)} (${definition})`)
      this.#standIns.set(name, definition)
    }
  }

  /** The stand-ins that a text may name; one too many does no harm. */
  #namesIn(sql: string): readonly string[] {
    return [...this.#meant.keys()].filter((name) => sql.includes(name))
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

function documentOf(node: AstObject): string {
  return printAst({ error: false, statements: [{ node, named_param_map: [] }] })
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

function refuseUnbound(plan: string): void {
  const answer = parseAst(plan)
  if (!isObject(answer)) throw new ForebayError('INTERNAL', 'the binder gave no plan')
  if (answer.error !== true) return
  throw new Error(`${titleCase(textOf(answer, 'error_type'))} Error: ${textOf(answer, 'error_message')}`)
}

function titleCase(text: string): string {
  return text === '' ? 'Binder' : text[0]?.toUpperCase() + text.slice(1)
}

function lengthOfText(text: string): number {
  return text.length
}

function lengthOfColumns(columns: readonly Column[]): number {
  return columns.reduce((sum, { name, type }) => sum + name.length + type.length, 0)
}

function lengthOfRows(rows: readonly (readonly unknown[])[]): number {
  return rows.flat().reduce((sum: number, value) => sum + String(value).length, 0)
}
