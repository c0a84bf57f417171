import { performance } from 'node:perf_hooks'
import { ForebayError, tableNotManaged, viewNotWritable } from '../../model/errors.js'
import { foldName } from '../../model/fold-name.js'
import type { Plan, Statement } from '../../model/query.js'
import { quoteName } from '../../model/quote.js'
import { type Column, distinctNames, stableHash } from '../../model/segment.js'
import { volatileFunctions } from '../allow/allowed-functions.js'
import { checkAllowed, type Locate } from '../allow/check-allowed.js'
import { type AstObject, type AstValue, numberText, printAst } from '../ast-text.js'
import { child, children, isClass, textOf, texts, walk } from '../ast-walk.js'
import { columnLineage } from '../columns/column-lineage.js'
import { asBound, type SqlForm } from '../compared-constants.js'
import { planningError } from '../duckdb-errors.js'
import { characterOffset, type DuckDBSession } from '../duckdb-session.js'
import type { PlanRequest } from '../planner.js'
import { Pruner } from '../prune/prune.js'
import { bareExists } from '../resolve/bare-exists.js'
import { bindValues, checkParameters, checkSessionColumns, columnNames } from '../resolve/bind-values.js'
import { countClockReads, freezeClock, type Moment, readsClock } from '../resolve/clock-functions.js'
import { settleClockWords } from '../resolve/clock-words.js'
import type { Definitions } from '../resolve/definitions.js'
import { MetadataTables } from '../resolve/metadata-tables.js'
import { unfoldMethodCalls } from '../resolve/method-calls.js'
import { nameItems } from '../resolve/name-items.js'
import { nestJoins } from '../resolve/nested-joins.js'
import { NameResolver, type Relation } from '../resolve/resolve-names.js'
import { ViewTrees } from '../resolve/view-trees.js'
import { type Body, type Header, readHeader } from '../statement/header.js'
import { shapeOf, templateText } from '../template.js'
import { answerRowsMax } from './answer-rows-max.js'
import { type PlanForm, type StageName, stageNames } from './plan-form.js'
import { planReads } from './plan-reads.js'
import { type LaidOutWork, planWork } from './plan-work.js'
import { wrapForInsert } from './wrap-insert.js'

export interface PlannedStatement {
  readonly plan: Plan
  readonly cacheable: boolean
  /** Where it was wanted and there is one. */
  readonly form?: PlanForm
}

/** A SELECT with every name, value and function settled. */
interface SettledSelect {
  readonly node: AstObject
  readonly sql: string
  /** What is bound in its place: the same columns, whatever it compares with and however long its lists are. */
  readonly bindingSql: string
  readonly columns: readonly Column[]
  readonly relations: readonly Relation[]
  readonly template: string
  readonly literals: readonly string[]
  readonly literalPlaces: readonly AstValue[]
  readonly parameterTypes: readonly string[]
  readonly repeatable: boolean
  readonly readsClock: boolean
}

/**
 * Makes plans, one at a time. The stages: header, parse, allow, resolve names, settle values, bind, then what the plan tells
 * (reads, lineage, work). DuckDB sees a user's text only as something to parse; what it binds is a tree that has passed.
 */
export class StatementPlanner {
  readonly #session: DuckDBSession
  readonly #definitions: Definitions
  readonly #views: ViewTrees
  readonly #metadata: MetadataTables
  readonly #pruner: Pruner
  readonly #functions: ReadonlySet<string>

  constructor(session: DuckDBSession, definitions: Definitions, functions: ReadonlySet<string>) {
    this.#session = session
    this.#definitions = definitions
    this.#functions = functions
    this.#pruner = new Pruner(session)
    this.#views = new ViewTrees(session, definitions, functions)
    this.#metadata = new MetadataTables(session, definitions, (name) => this.#viewColumns(name))
  }

  async plan(request: PlanRequest, wantsForm = false): Promise<PlannedStatement> {
    const startedAt = performance.now()
    try {
      const header = readHeader(request.sql)
      await this.#session.useTimeZone(request.timeZone)
      return await this.#planHeader(header, request, startedAt, wantsForm)
    } catch (error) {
      if (error instanceof RangeError) {
        throw new ForebayError('NOT_SUPPORTED', 'the statement nests too deep', { hint: 'split it', cause: error })
      }
      throw error
    }
  }

  async #planHeader(header: Header, request: PlanRequest, startedAt: number, wantsForm: boolean): Promise<PlannedStatement> {
    if (header.kind === 'drop-table' || header.kind === 'drop-view') return withoutSelect(header, startedAt)
    const select = await this.#settle(header.body, request, header)
    const root = await this.#bind(() => this.#root(select), select.node, header.body)
    const reads = planReads(root, select.node, select.relations, await this.#pruner.prune(select.node, select.relations))
    const { work, trees } = await planWork(this.#session, select, reads, request)
    const datasets = new Map(reads.map((read) => [read.relation, read.dataset]))
    const prefix = statementPrefix(header)
    const rowsMax = answerRowsMax(select.node)
    const template = `${prefix}${select.template}`
    const plan: Plan = {
      statement: statementOf(header),
      template,
      fingerprint: stableHash([template], 16),
      literals: select.literals,
      columns: header.kind === 'create-table' ? tableColumns(select.columns) : select.columns,
      reads,
      work,
      columnLineage: columnLineage(root, select.columns, (relation) => datasets.get(relation)),
      repeatable: select.repeatable,
      ordered: children(select.node, 'modifiers').some((modifier) => modifier.type === 'ORDER_MODIFIER'),
      ...(rowsMax === undefined ? {} : { rowsMax }),
      parameterTypes: select.parameterTypes,
      planMs: performance.now() - startedAt,
    }
    const planned = { plan, cacheable: select.repeatable && !select.readsClock }
    const startsAt = request.sql.length - request.sql.trimStart().length
    if (!wantsForm || header.kind !== 'select' || header.body.offset !== startsAt) return planned
    const form = await this.#form(select, trees)
    return form === undefined ? planned : { ...planned, form }
  }

  async #form(select: SettledSelect, trees: LaidOutWork['trees']): Promise<PlanForm | undefined> {
    const names = stageNames.filter((name) => trees[name] !== undefined)
    const forms = await this.#session.forms(names.map((name) => trees[name] ?? {}))
    const stages: Partial<Record<StageName, SqlForm>> = {}
    for (const [index, name] of names.entries()) {
      const form = forms[index]
      if (form === undefined) return undefined
      stages[name] = form
    }
    return { tree: printAst(select.node), stages, literalPlaces: select.literalPlaces }
  }

  async #settle(body: Body, request: PlanRequest, header?: Header): Promise<SettledSelect> {
    const parsed = await this.#parse(body)
    const locate = locator(body)
    checkAllowed(parsed, (name) => this.#functions.has(name), locate)
    if (header?.kind === 'create-view') refuseParameters(parsed, locate)
    else checkParameters(parsed, request.params, locate)
    nestJoins(parsed, locate)
    const shape = shapeOf(parsed, (name) => String(request.params[name] ?? null))
    await nameItems(parsed, (nodes) => this.#session.print(nodes))
    unfoldMethodCalls(parsed)
    await this.#views.load(parsed)
    const resolver = new NameResolver(this.#definitions, this.#views.trees, locate)
    const resolved = resolver.resolve(parsed)
    for (const { relation, snapshot } of resolver.relations) this.#session.standIn(relation, snapshot.columns)
    const bound = bindValues(resolved, request.params)
    const described = await this.#bind(() => this.#metadata.fill(bound.node), resolved, body)
    const names = columnNames(
      described,
      resolver.relations.flatMap(({ snapshot }) => snapshot.columns.map((column) => column.name)),
    )
    const isColumn = (name: string): boolean => names.has(name)
    checkSessionColumns(described, isColumn, locate)
    await this.#bind(() => settleClockWords(described, isColumn, () => this.#clockReads(described)), described, body)
    const clock = usesClock(described)
    const settled = bareExists(clock ? freezeClock(described, await this.#moment(request.nowMs)) : described)
    const node = header?.kind === 'insert' ? await this.#insertNode(settled, header, body) : settled
    const [sql = '', template = '', bindingSql = ''] = await this.#session.print([node, shape.node, asBound(node)])
    return {
      node,
      sql,
      bindingSql,
      columns: await this.#bind(() => this.#session.describe(bindingSql), node, body),
      relations: usedRelations(node, resolver.relations),
      template: templateText(template),
      literals: shape.literals,
      literalPlaces: shape.places,
      parameterTypes: bound.parameterTypes,
      repeatable: isRepeatable(node),
      readsClock: clock,
    }
  }

  async #parse(body: Body): Promise<AstObject> {
    try {
      return await this.#session.parse(body.text)
    } catch (error) {
      if (!(error instanceof ForebayError)) throw planningError(error, () => undefined)
      const position = error.position === undefined ? {} : { position: error.position + body.offset }
      throw new ForebayError(error.code, error.message, {
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        ...position,
      })
    }
  }

  /** Runs something that binds, and puts DuckDB's complaint into our words with the place in the user's text. */
  async #bind<T>(run: () => Promise<T>, node: AstObject, body: Body): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw planningError(error, (name) => findName(node, name, locator(body)))
    }
  }

  /** What reads no dataset comes from nothing, and of some of it DuckDB gives no plan: `FROM range(3) WITH ORDINALITY`. */
  async #root({ node, relations, bindingSql }: SettledSelect): Promise<AstObject> {
    if (relations.length === 0) return {}
    try {
      return await this.#session.boundPlan(bindingSql)
    } catch (cause) {
      if (!hasOrdinality(node)) throw cause
      throw new ForebayError('NOT_SUPPORTED', 'WITH ORDINALITY in a FROM of its own is not supported where a table is read', {
        hint: 'SELECT *, row_number() OVER () AS ordinality FROM … numbers rows too',
        cause,
      })
    }
  }

  async #clockReads(node: AstObject): Promise<number> {
    const [sql = ''] = await this.#session.print([asBound(node)])
    return countClockReads(await this.#session.boundPlan(sql))
  }

  async #moment(nowMs: number): Promise<Moment> {
    const instant = `make_timestamptz(${Math.trunc(nowMs)}000)`
    const casts = ['TIMESTAMPTZ', 'TIMESTAMP', 'DATE', 'TIMESTAMP::TIME', 'TIMETZ'].map(
      (type) => `(${instant}::${type})::VARCHAR`,
    )
    const [row = []] = await this.#session.rows(`SELECT ${casts.join(', ')}`)
    const [timestampTz = '', timestamp = '', date = '', time = '', timeTz = ''] = row.map(String)
    return { timestampTz, timestamp, date, time, timeTz }
  }

  async #insertNode(node: AstObject, header: Header & { kind: 'insert' }, body: Body): Promise<AstObject> {
    const target = this.#definitions.find(header.table)
    if (target?.kind === 'view') throw viewNotWritable(header.table)
    if (target === undefined) {
      const near = this.#definitions.nearest(header.table)
      throw new ForebayError(
        'NAME_NOT_FOUND',
        `table "${header.table}" does not exist`,
        near === undefined ? {} : { hint: `did you mean "${near}"?` },
      )
    }
    // A broken table refuses writes with its own error, by the catalogue.
    if (target.kind === 'broken') return node
    if (target.written !== true) throw tableNotManaged(header.table, 'the data folder')
    const [sql = ''] = await this.#session.print([node])
    const given = await this.#bind(() => this.#session.describe(sql), node, body)
    return this.#session.parse(wrapForInsert(sql, given, target.snapshot.columns, header))
  }

  async #viewColumns(name: string): Promise<readonly Column[]> {
    const request = { sql: '', params: {}, timeZone: 'UTC', nowMs: 0, tree: 'never' } as const
    return (await this.#settle({ text: `SELECT * FROM ${quoteName(name)}`, offset: 0 }, request)).columns
  }
}

function withoutSelect(header: Header & { kind: 'drop-table' | 'drop-view' }, startedAt: number): PlannedStatement {
  const name = header.kind === 'drop-table' ? header.table : header.view
  const template = `${header.kind === 'drop-table' ? 'DROP TABLE' : 'DROP VIEW'} ${quoteName(name)}`
  const stage = { sql: 'SELECT 0 AS "Count" WHERE false', columns: [{ name: 'Count', type: 'INTEGER' }], operators: [] }
  const plan: Plan = {
    statement: header,
    template,
    fingerprint: stableHash([template], 16),
    literals: [],
    columns: stage.columns,
    reads: [],
    work: { shape: 'whole', whole: stage, why: 'nothing is read' },
    columnLineage: [],
    repeatable: true,
    ordered: false,
    parameterTypes: [],
    planMs: performance.now() - startedAt,
  }
  return { plan, cacheable: false }
}

function statementOf(header: Exclude<Header, { kind: 'drop-table' | 'drop-view' }>): Statement {
  if (header.kind === 'select' || header.kind === 'explain') return { kind: header.kind }
  if (header.kind === 'insert') return { kind: 'insert', table: header.table }
  if (header.kind === 'create-table') {
    return { kind: 'create-table', table: header.table, replace: header.replace, ifNotExists: header.ifNotExists }
  }
  const names = header.columns.map(quoteName).join(', ')
  const sql = names === '' ? header.body.text : `SELECT * FROM (${header.body.text}\n) AS renamed(${names})`
  return { kind: 'create-view', view: header.view, replace: header.replace, sql }
}

/** Two columns of a SELECT may have one name, those of a table may not. */
function tableColumns(columns: readonly Column[]): readonly Column[] {
  const names = distinctNames(columns)
  return columns.map(({ type }, index) => ({ name: names[index] ?? '', type }))
}

function statementPrefix(header: Exclude<Header, { kind: 'drop-table' | 'drop-view' }>): string {
  if (header.kind === 'create-table') return `CREATE TABLE ${quoteName(header.table)} AS `
  if (header.kind === 'insert') return `INSERT INTO ${quoteName(header.table)} `
  return header.kind === 'create-view' ? `CREATE VIEW ${quoteName(header.view)} AS ` : ''
}

function refuseParameters(node: AstObject, locate: Locate): void {
  walk(node, (part) => {
    if (!isClass(part, 'PARAMETER')) return true
    const position = locate(part)
    throw new ForebayError('PARAMETER_INVALID', 'a view cannot have parameters', position === undefined ? {} : { position })
  })
}

/** Places of nodes in the user's text: DuckDB counts bytes of the body, users see characters of the whole. */
function locator(body: Body): Locate {
  return (node) => {
    const bytes = Number(numberText(node.query_location) ?? Number.NaN)
    return Number.isFinite(bytes) && bytes < 1e9 ? body.offset + characterOffset(body.text, bytes) : undefined
  }
}

/** The place of the first column, table or function of this name. */
function findName(node: AstObject, name: string, locate: Locate): number | undefined {
  const wanted = foldName(name)
  let position: number | undefined
  walk(node, (part) => {
    if (position !== undefined) return false
    const names = [...texts(part, 'column_names'), textOf(part, 'function_name'), textOf(part, 'relation_name')]
    if (names.some((candidate) => candidate !== '' && foldName(candidate) === wanted)) position = locate(part)
    return true
  })
  return position
}

function usesClock(node: AstObject): boolean {
  let found = false
  walk(node, (part) => {
    found ||= readsClock(part)
    return !found
  })
  return found
}

function usedRelations(node: AstObject, relations: readonly Relation[]): readonly Relation[] {
  const used = new Set<string>()
  walk(node, (part) => {
    if (part.type === 'BASE_TABLE') used.add(textOf(part, 'table_name'))
    return true
  })
  return relations.filter(({ relation }) => used.has(relation))
}

function hasOrdinality(node: AstObject): boolean {
  let found = false
  walk(node, (part) => {
    found ||= part.with_ordinality === 'WITH_ORDINALITY'
    return !found
  })
  return found
}

function isRepeatable(node: AstObject): boolean {
  let repeatable = true
  walk(node, (part) => {
    if (isClass(part, 'FUNCTION') && volatileFunctions.has(foldName(textOf(part, 'function_name')))) repeatable = false
    if (child(part, 'sample') !== undefined) repeatable = false
    return repeatable
  })
  return repeatable
}
