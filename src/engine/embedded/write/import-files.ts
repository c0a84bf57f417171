/** Turns files into segments of a written table: a node reads them, writes Parquet, and the catalogue's commit makes it the table. */
import { randomBytes } from 'node:crypto'
import { type ImportPlan, planImport } from '../../../catalog/import-plan.js'
import { ForebayError, importUnreadable } from '../../../model/errors.js'
import type { TaskOutput } from '../../../model/messages.js'
import { type Column, type Snapshot, type SnapshotId, stableHash } from '../../../model/segment.js'
import { elsewhere, runTask, type TaskDraft } from '../../../scheduler/run-task.js'
import type { EngineParts } from '../engine-parts.js'
import { plansMax } from '../run/run-rounds.js'
import { transformationOf } from '../tasks/transformation-of.js'
import { type KeyedWrite, type Remember, writeOnce } from './keyed-writes.js'
import { rowGroupRows } from './run-write.js'

export interface ImportRequest {
  readonly table: string
  /** Absolute, inside `imports/` of the state folder. */
  readonly paths: readonly string[]
  readonly kind: 'csv' | 'json' | 'parquet'
  /** `auto`: into the table if it exists, else a new one. */
  readonly mode: 'create' | 'insert' | 'auto'
  /** Where the client gave an idempotency key; `content` is a hash of the files' bytes. */
  readonly once?: { readonly key: string; readonly content: string }
}

export interface ImportResult {
  readonly rows: number
  readonly segments: number
  readonly snapshot: SnapshotId
}

const importMsMax = 30 * 60_000
const smallLimits = { inlineBytesMax: 16e6, resultBytesMax: 16e6 }

export function importFiles(parts: EngineParts, request: ImportRequest, signal: AbortSignal): Promise<ImportResult> {
  return writeOnce(parts, keyedImport(request), signal, (remember) => readFiles(parts, request, signal, remember))
}

/** Imports name no tenant. */
function keyedImport({ once, table, mode, kind }: ImportRequest): KeyedWrite | undefined {
  return once && { tenant: 'default', key: once.key, hash: stableHash([table, mode, kind, once.content], 16) }
}

async function readFiles(
  parts: EngineParts,
  request: ImportRequest,
  signal: AbortSignal,
  remember: Remember<ImportResult>,
): Promise<ImportResult> {
  const { table, paths, kind } = request
  const importPlan = planImport(paths, kind)
  const given = await describeChecked(parts, importPlan, signal).catch((error: unknown) => {
    throw kind === 'parquet' ? parquetError(error, paths) : error
  })
  const { mode, pending } = await begin(parts, request, given)
  let committed = false
  try {
    const output: TaskOutput = { to: 'table', folder: pending.folder, table, rowGroupRows }
    const sql = importPlan.selectSql(given, mode === 'insert' ? pending.columns : undefined)
    const importId = newId()
    const { result } = await run(parts, importId, sql, output, signal)
    if (result.to !== 'table') throw new ForebayError('INTERNAL', `an import came back as "${result.to}"`)
    committed = true
    const answer = ({ segments, id }: Snapshot): ImportResult => ({ rows: result.rows, segments: segments.length, snapshot: id })
    const snapshot = await pending.commit(result.files, (made) => remember(answer(made)))
    parts.lineage.written(importId, table, snapshot, result.files)
    return answer(snapshot)
  } catch (error) {
    if (!committed) await pending.abort().catch(parts.onError)
    throw kind === 'parquet' ? parquetError(error, paths) : error
  }
}

/** Begins with the table as it is: a commit that was under way may have changed it. */
async function begin(parts: EngineParts, { table, mode: wanted }: ImportRequest, given: readonly Column[]) {
  for (let attempt = 1; ; attempt++) {
    const existing = parts.catalog.current(table)
    const mode = wanted === 'auto' ? (existing === undefined ? 'create' : 'insert') : wanted
    const columns = mode === 'insert' ? (existing?.columns ?? given) : given
    try {
      return { mode, pending: await parts.catalog.beginWrite(table, mode, columns) }
    } catch (error) {
      if (!isStale(error, wanted) || attempt >= plansMax) throw error
    }
  }
}

/** Whether the table is not as it was a moment ago. Where `auto` found none, another import may have made it meanwhile. */
function isStale(error: unknown, wanted: ImportRequest['mode']): boolean {
  if (!(error instanceof ForebayError)) return false
  return error.code === 'WRITE_CONFLICT' || (error.code === 'TABLE_EXISTS' && wanted === 'auto')
}

/** What DuckDB says of a Parquet file that it cannot read, without the path of the upload, which is ours; other failures as they are. */
function parquetError(error: unknown, paths: readonly string[]): unknown {
  if (!(error instanceof ForebayError) || error.code !== 'QUERY_FAILED') return error
  const { message } = error
  const path = paths.find((each) => message.includes(each))
  if (path === undefined) return error
  const reason = message.replaceAll(` '${path}'`, '').replaceAll(` "${path}"`, '')
  return importUnreadable(`the file cannot be read as Parquet: ${reason}`, error)
}

/** The columns of the files. Where a line unlike the others keeps them from being found, the failure names that line. */
async function describeChecked(parts: EngineParts, plan: ImportPlan, signal: AbortSignal): Promise<readonly Column[]> {
  const columns = await describe(parts, plan.describeSql, signal).catch(async (error: unknown) => {
    if (isUnread(error)) await check(parts, plan.checkSqls(undefined), signal)
    throw error
  })
  await check(parts, plan.checkSqls(columns), signal)
  if (columns.length > 1 || plan.skippingSql === undefined) return columns
  const { length } = await describe(parts, plan.skippingSql, signal)
  if (length < 2) return columns
  throw new ForebayError('REQUEST_INVALID', `line 1 of the file is unlike later ones, which have ${length} fields`, {
    hint: 'remove first lines that are no rows, and lines that begin with #; nothing was imported',
  })
}

async function check(parts: EngineParts, sqls: readonly string[], signal: AbortSignal): Promise<void> {
  const output = { to: 'client', format: 'json', columns: [{ name: 'n', type: 'BIGINT' }], ...smallLimits } as const
  for (const sql of sqls) {
    await run(parts, newId(), sql, output, signal).catch((error: unknown) => {
      if (!isUnread(error) || !error.message.startsWith('line 1 ')) throw error
    })
  }
}

function isUnread(error: unknown): error is ForebayError {
  return error instanceof ForebayError && error.code === 'REQUEST_INVALID'
}

async function describe(parts: EngineParts, sql: string, signal: AbortSignal): Promise<readonly Column[]> {
  const columns = [
    { name: 'column_name', type: 'VARCHAR' },
    { name: 'column_type', type: 'VARCHAR' },
  ]
  const { result } = await run(parts, newId(), sql, { to: 'client', format: 'json', columns, ...smallLimits }, signal)
  if (result.to !== 'client' || result.inline === undefined) throw new ForebayError('INTERNAL', 'a description did not come back')
  const rows = JSON.parse(`[${Buffer.from(result.inline).toString()}]`) as readonly (readonly [string, string])[]
  return rows.map(([name, type]) => ({ name, type }))
}

function newId(): string {
  return `import-${randomBytes(8).toString('hex')}`
}

async function run(
  parts: EngineParts,
  id: string,
  sql: string,
  output: TaskOutput,
  signal: AbortSignal,
): ReturnType<typeof runTask> {
  const operators = output.to === 'table' ? [{ type: 'import' as const, detail: output.table }] : []
  const task: TaskDraft = {
    taskId: id,
    queryId: id,
    tenant: 'forebay',
    template: '',
    role: 'root',
    sql,
    inputs: [],
    output,
    transformation: transformationOf(operators),
    threads: 'all',
    timeZone: 'UTC',
    memoryBytes: parts.pool.memoryBytesPerNode,
    deadlineAt: Date.now() + importMsMax,
    eventKind: output.to === 'table' ? 'import' : 'task',
  }
  const { dispatcher, quarantine, pool } = parts
  const ready = await pool.want(1, false, signal)
  return runTask(task, elsewhere(ready, undefined, dispatcher), {
    queryId: id,
    dispatcher,
    quarantine,
    priority: 'batch',
    signal,
    statement: id,
    readyNodes: (until) => pool.want(1, false, until),
    onAttempt: () => {},
    bury: parts.bury,
  })
}
