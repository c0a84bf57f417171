/**
 * Statements that change something. Rows are made by tasks into a folder that nobody sees; the catalogue's commit makes them
 * the table, or not at all. A write with an idempotency key is answered from the commit that remembered it; another write with
 * the same key is refused.
 */
import { relationName } from '../../model/catalogue.js'
import { ForebayError } from '../../model/errors.js'
import type { TaskOutput } from '../../model/messages.js'
import type { Plan } from '../../model/query.js'
import { type Column, stableHash } from '../../model/segment.js'
import type { CommitOptions, EngineCatalog, PendingWrite } from './engine-options.js'
import type { EngineParts } from './engine-parts.js'
import type { QueryRun } from './run-plan.js'
import { confirmedPlan, type OnPlanned, plansMax, runRounds } from './run-rounds.js'

export const countColumns: readonly Column[] = [{ name: 'Count', type: 'BIGINT' }]

/** Rows of one row group of a written file: DuckDB's own size, so that it reads a group per thread. */
export const rowGroupRows = 122_880

export interface WriteEnd {
  readonly count: number
  readonly plan: Plan
}

export async function runWrite(parts: EngineParts, query: QueryRun, plan: Plan, onPlanned: OnPlanned): Promise<WriteEnd> {
  const key = idempotencyKey(query)
  if (key === undefined) return { count: await write(parts, query, plan, onPlanned, undefined), plan }
  // The same write that is under way decides first; only if it fails is it done again.
  for (let other = parts.writes.get(key); other !== undefined; other = parts.writes.get(key)) {
    await Promise.race([other, aborted(query.signal)])
    query.signal.throwIfAborted()
  }
  const remembered = rememberedCount(parts.catalog, key, query)
  if (remembered !== undefined) return { count: remembered, plan }
  const work = write(parts, query, plan, onPlanned, key)
  parts.writes.set(
    key,
    work.then(
      () => {},
      () => {},
    ),
  )
  try {
    return { count: await work, plan }
  } finally {
    parts.writes.delete(key)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

async function write(
  parts: EngineParts,
  query: QueryRun,
  plan: Plan,
  onPlanned: OnPlanned,
  key: string | undefined,
): Promise<number> {
  const { catalog } = parts
  const { statement } = plan
  const done = rememberedAs(key, query, 0)
  query.enter('running')
  switch (statement.kind) {
    case 'create-table':
      if (statement.ifNotExists && isDefined(catalog, statement.table)) return 0
      return writeRows(parts, query, plan, statement.table, statement.replace ? 'replace' : 'create', onPlanned, key)
    case 'insert':
      return writeRows(parts, query, plan, statement.table, 'insert', onPlanned, key)
    case 'drop-table':
      await catalog.dropTable(statement.table, statement.ifExists, done)
      return 0
    case 'create-view':
      await catalog.createView(statement.view, statement.sql, statement.replace, done)
      return 0
    case 'drop-view':
      await catalog.dropView(statement.view, statement.ifExists, done)
      return 0
    default:
      throw new ForebayError('INTERNAL', `a "${statement.kind}" does not write`)
  }
}

/** True for a table or view of this name, also one that is broken. */
function isDefined(catalog: EngineCatalog, name: string): boolean {
  const folded = name.toLowerCase()
  return catalog.definitions().some((definition) => relationName(definition).toLowerCase() === folded)
}

async function writeRows(
  parts: EngineParts,
  query: QueryRun,
  first: Plan,
  table: string,
  mode: 'create' | 'replace' | 'insert',
  onPlanned: OnPlanned,
  key: string | undefined,
): Promise<number> {
  const { plan, pending } = await begin(parts, query, first, table, mode, onPlanned)
  let committed = false
  try {
    const output = (): TaskOutput => ({ to: 'table', folder: pending.folder, table, rowGroupRows })
    const end = await runRounds(parts, query, plan, output, onPlanned)
    const { result } = end.outcome
    if (result.to !== 'table') throw new ForebayError('INTERNAL', `a write came back as "${result.to}"`)
    query.signal.throwIfAborted()
    committed = true
    const snapshot = await pending.commit(result.files, rememberedAs(key, query, result.rows))
    parts.lineage.written(query.queryId, table, snapshot, result.files)
    parts.lineage.columns(query.queryId, end.plan, table)
    return result.rows
  } catch (error) {
    if (!committed) await pending.abort().catch(parts.onError)
    throw error
  }
}

/** Begins a write whose plan knows the table as it is: what was committed since it was planned costs another plan. */
async function begin(
  parts: EngineParts,
  query: QueryRun,
  first: Plan,
  table: string,
  mode: 'create' | 'replace' | 'insert',
  onPlanned: OnPlanned,
): Promise<{ readonly plan: Plan; readonly pending: PendingWrite }> {
  let plan = first
  for (let attempt = 1; ; attempt++) {
    const seen = plan.reads.find((read) => read.dataset.toLowerCase() === table.toLowerCase())?.snapshot
    try {
      return { plan, pending: await parts.catalog.beginWrite(table, mode, plan.columns, seen) }
    } catch (error) {
      const stale = error instanceof ForebayError && error.code === 'WRITE_CONFLICT'
      if (!stale || attempt >= plansMax) throw error
    }
    plan = await confirmedPlan(parts, query.request, query.signal)
    onPlanned(plan)
  }
}

function idempotencyKey({ request }: QueryRun): string | undefined {
  return request.idempotencyKey === undefined ? undefined : `${request.tenant}:${request.idempotencyKey}`
}

/** What is kept of a write beside its key; `write` is absent where an earlier version kept it. */
interface RememberedWrite {
  readonly count: number
  readonly write?: string
}

function rememberedAs(key: string | undefined, query: QueryRun, count: number): CommitOptions {
  if (key === undefined) return {}
  return { idempotencyKey: key, result: { count, write: writeHash(query) } satisfies RememberedWrite }
}

/** What the write with this key answered. Throws CONFLICT when the key was another write's. */
function rememberedCount(catalog: EngineCatalog, key: string, query: QueryRun): number | undefined {
  const remembered = catalog.rememberedResult(key) as RememberedWrite | undefined
  if (remembered?.write !== undefined && remembered.write !== writeHash(query)) {
    const name = query.request.idempotencyKey ?? ''
    throw new ForebayError('CONFLICT', `idempotency key "${name}" was used for another statement`, {
      hint: 'give every write a key of its own; the same key only repeats the same statement with the same parameters',
    })
  }
  return remembered?.count
}

function writeHash({ request }: QueryRun): string {
  return stableHash([request.sql, JSON.stringify(Object.entries(request.params).toSorted()), request.timeZone], 16)
}
