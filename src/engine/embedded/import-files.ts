/** Turns files into segments of a written table: a node reads them, writes Parquet, and the catalogue's commit makes it the table. */
import { randomBytes } from 'node:crypto'
import { ForebayError } from '../../model/errors.js'
import type { TaskOutput } from '../../model/messages.js'
import type { Column, SnapshotId } from '../../model/segment.js'
import { elsewhere, runTask, type TaskDraft } from '../../scheduler/run-task.js'
import type { EngineParts } from './engine-parts.js'
import { rowGroupRows } from './run-write.js'
import { transformationOf } from './transformation-of.js'

export interface ImportRequest {
  readonly table: string
  /** Absolute, inside `uploads/` of the state folder. */
  readonly paths: readonly string[]
  readonly kind: 'csv' | 'json' | 'parquet'
  /** `auto`: into the table if it exists, else a new one. */
  readonly mode: 'create' | 'insert' | 'auto'
}

export interface ImportResult {
  readonly rows: number
  readonly segments: number
  readonly snapshot: SnapshotId
}

const importMsMax = 30 * 60_000
const readers = {
  csv: (list: string) => `read_csv(${list}, union_by_name = true)`,
  json: (list: string) => `read_json(${list}, union_by_name = true)`,
  parquet: (list: string) => `read_parquet(${list}, union_by_name = true, hive_partitioning = false)`,
}

export async function importFiles(parts: EngineParts, request: ImportRequest, signal: AbortSignal): Promise<ImportResult> {
  const { table, paths, kind } = request
  const from = readers[kind](`[${paths.map((path) => quoteText(path)).join(', ')}]`)
  const given = await describe(parts, from, signal)
  const existing = parts.catalog.current(table) !== undefined
  const mode = request.mode === 'auto' ? (existing ? 'insert' : 'create') : request.mode
  const columns = mode === 'insert' ? (parts.catalog.current(table)?.columns ?? given) : given
  const pending = await parts.catalog.beginWrite(table, mode, columns)
  let committed = false
  try {
    const output: TaskOutput = { to: 'table', folder: pending.folder, table, rowGroupRows }
    const { result } = await run(parts, selectFor(from, given, pending.columns, mode, table), output, signal)
    if (result.to !== 'table') throw new ForebayError('INTERNAL', `an import came back as "${result.to}"`)
    committed = true
    const snapshot = await pending.commit(result.files)
    parts.lineage.snapshots([snapshot])
    return { rows: result.rows, segments: snapshot.segments.length, snapshot: snapshot.id }
  } catch (error) {
    if (!committed) await pending.abort().catch(parts.onError)
    throw error
  }
}

async function describe(parts: EngineParts, from: string, signal: AbortSignal): Promise<readonly Column[]> {
  const columns = [
    { name: 'column_name', type: 'VARCHAR' },
    { name: 'column_type', type: 'VARCHAR' },
  ]
  const sql = `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${from})`
  const limits = { inlineBytesMax: 16e6, resultBytesMax: 16e6 }
  const { result } = await run(parts, sql, { to: 'client', format: 'json', columns, ...limits }, signal)
  if (result.to !== 'client' || result.inline === undefined) throw new ForebayError('INTERNAL', 'a description did not come back')
  const rows = JSON.parse(`[${Buffer.from(result.inline).toString()}]`) as readonly (readonly [string, string])[]
  return rows.map(([name, type]) => ({ name, type }))
}

/** Columns go into a table by name; what the files lack is NULL, what the table lacks is an error that names it. */
function selectFor(from: string, given: readonly Column[], wanted: readonly Column[], mode: string, table: string): string {
  if (mode !== 'insert') return `SELECT * FROM ${from}`
  const byName = new Map(given.map((column) => [column.name.toLowerCase(), column.name]))
  const names = new Set(wanted.map((column) => column.name.toLowerCase()))
  const extra = given.find((column) => !names.has(column.name.toLowerCase()))
  if (extra !== undefined) throw new ForebayError('TYPE_MISMATCH', `table "${table}" has no column "${extra.name}"`)
  const list = wanted.map(({ name, type }) => {
    const source = byName.get(name.toLowerCase())
    return `CAST(${source === undefined ? 'NULL' : quoteName(source)} AS ${type}) AS ${quoteName(name)}`
  })
  return `SELECT ${list.join(', ')} FROM ${from}`
}

async function run(
  parts: EngineParts,
  sql: string,
  output: TaskOutput,
  signal: AbortSignal,
): ReturnType<typeof runTask> {
  const id = `import-${randomBytes(8).toString('hex')}`
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
  })
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
