/**
 * Statements that change something. Rows are made by tasks into a folder that nobody sees; the catalogue's commit makes them
 * the table, or not at all.
 */
import { relationName } from '../../../model/catalogue.js'
import { ForebayError } from '../../../model/errors.js'
import type { TaskOutput } from '../../../model/messages.js'
import type { Plan } from '../../../model/query.js'
import { type Column, stableHash } from '../../../model/segment.js'
import type { EngineCatalog, PendingWrite } from '../engine-options.js'
import type { EngineParts } from '../engine-parts.js'
import type { QueryRun } from '../run/run-plan.js'
import { confirmedPlan, type OnPlanned, plansMax, runRounds } from '../run/run-rounds.js'
import { type KeyedWrite, type Remember, writeOnce } from './keyed-writes.js'

export const countColumns: readonly Column[] = [{ name: 'Count', type: 'BIGINT' }]

/** Rows of one row group of a written file: DuckDB's own size, so that it reads a group per thread. */
export const rowGroupRows = 122_880

export interface WriteAnswer {
  readonly count: number
}

/** A statement's write by its idempotency key, if it has one. */
export function keyedWrite({ request }: QueryRun): KeyedWrite | undefined {
  const { tenant, idempotencyKey: key, sql, params, timeZone } = request
  if (key === undefined) return undefined
  return { tenant, key, hash: stableHash([sql, JSON.stringify(Object.entries(params).toSorted()), timeZone], 16) }
}

export function runWrite(parts: EngineParts, query: QueryRun, plan: Plan, onPlanned: OnPlanned): Promise<WriteAnswer> {
  return writeOnce(parts, keyedWrite(query), query.signal, (remember) => write(parts, query, plan, onPlanned, remember))
}

async function write(
  parts: EngineParts,
  query: QueryRun,
  plan: Plan,
  onPlanned: OnPlanned,
  remember: Remember<WriteAnswer>,
): Promise<WriteAnswer> {
  const { catalog } = parts
  const { statement } = plan
  const nothing = { count: 0 }
  query.enter('running')
  switch (statement.kind) {
    case 'create-table':
      if (statement.ifNotExists && isDefined(catalog, statement.table)) {
        await catalog.remember(remember(nothing))
        return nothing
      }
      return writeRows(parts, query, plan, statement.table, statement.replace ? 'replace' : 'create', onPlanned, remember)
    case 'insert':
      return writeRows(parts, query, plan, statement.table, 'insert', onPlanned, remember)
    case 'drop-table':
      await catalog.dropTable(statement.table, statement.ifExists, remember(nothing))
      return nothing
    case 'create-view':
      await catalog.createView(statement.view, statement.sql, statement.replace, remember(nothing))
      return nothing
    case 'drop-view':
      await catalog.dropView(statement.view, statement.ifExists, remember(nothing))
      return nothing
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
  remember: Remember<WriteAnswer>,
): Promise<WriteAnswer> {
  const { plan, pending } = await begin(parts, query, first, table, mode, onPlanned)
  let committed = false
  try {
    const output = (): TaskOutput => ({ to: 'table', folder: pending.folder, table, rowGroupRows })
    const end = await runRounds(parts, query, plan, output, onPlanned)
    const { result } = end.outcome
    if (result.to !== 'table') throw new ForebayError('INTERNAL', `a write came back as "${result.to}"`)
    if (JSON.stringify(end.plan.columns) !== JSON.stringify(plan.columns)) throw sourcesChanged(table)
    query.signal.throwIfAborted()
    const answer = { count: result.rows }
    committed = true
    const snapshot = await pending.commit(result.files, () => remember(answer))
    // The commit comes last: who hears of it has heard all of the write that its coordinator records.
    parts.lineage.columns(query.queryId, end.plan, table)
    parts.lineage.written(query.queryId, table, snapshot, result.files)
    return answer
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

/** A new plan may give other columns than the write began with. */
function sourcesChanged(table: string): ForebayError {
  return new ForebayError('SEGMENT_CHANGED', `the columns for table "${table}" changed while they were read`, {
    hint: 'run the statement again',
  })
}
