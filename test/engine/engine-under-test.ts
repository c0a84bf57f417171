import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Catalog } from '../../src/catalog/catalog.js'
import { memoryKeyValue } from '../../src/catalog/key-value.js'
import { type EmbeddedEngine, openEmbeddedEngine } from '../../src/engine/embedded/embedded-engine.js'
import type { EmbeddedEngineOptions } from '../../src/engine/embedded/engine-options.js'
import type { Activity } from '../../src/model/activity.js'
import { systemClock } from '../../src/model/clock.js'
import type { LineageEvent, TaskEvent } from '../../src/model/lineage-event.js'
import type { QueryRequest, QueryStatus } from '../../src/model/query.js'
import type { SegmentId } from '../../src/model/segment.js'
import type { PlannerPool } from '../../src/sql/planner.js'
import { openPlannerPool } from '../../src/sql/planner-pool.js'

/** A recorder in memory: what was recorded can be looked at. */
export class MemoryRecorder {
  readonly events: LineageEvent[] = []
  readonly queries: QueryStatus[] = []
  readonly values = new Map<string, string>()

  async record(events: readonly LineageEvent[]): Promise<void> {
    this.events.push(...events)
  }
  saveQuery(status: QueryStatus): void {
    this.queries.push(status)
  }
  async put(key: string, json: string): Promise<void> {
    this.values.set(key, json)
  }
  async get(key: string): Promise<string | undefined> {
    return this.values.get(key)
  }
  async reconcile(_existing: readonly SegmentId[]): Promise<number> {
    return 0
  }
  /** Events of tasks of one query. */
  tasks(queryId: string): readonly TaskEvent[] {
    return this.events.flatMap((event) =>
      'node' in event && 'queryId' in event && event.queryId === queryId ? [event as TaskEvent] : [],
    )
  }
}

export interface UnderTest {
  readonly engine: EmbeddedEngine
  readonly catalog: Catalog
  readonly planner: PlannerPool
  readonly recorder: MemoryRecorder
  readonly activities: Activity[]
  readonly errors: unknown[]
  readonly dataFolder: string
  readonly stateFolder: string
  /** Runs SQL in a DuckDB of the test's own, with `$DATA` for the data folder: makes files and gives expected answers. */
  readonly duckdb: (sql: string) => Promise<readonly (readonly unknown[])[]>
  readonly query: (sql: string, options?: Partial<QueryRequest>) => Promise<Answer>
  readonly close: () => Promise<void>
}

export interface Answer {
  readonly rows: readonly (readonly unknown[])[]
  readonly status: QueryStatus
}

let queries = 0

export function requestOf(sql: string, options: Partial<QueryRequest> = {}): QueryRequest {
  return {
    sql,
    params: {},
    priority: 'interactive',
    tenant: 'test',
    timeZone: 'UTC',
    timeoutMs: 30_000,
    tree: 'auto',
    reuse: true,
    format: 'json',
    ...options,
  }
}

/** A catalogue that is not open yet. */
export function catalogOver(dataFolder: string, stateFolder: string, planner: PlannerPool): Catalog {
  return new Catalog({
    dataFolder,
    stateFolder,
    readFooters: (paths, signal) => planner.readFooters(paths, signal),
    describeFiles: (paths, signal) => planner.describeFiles(paths, signal),
    keyValue: memoryKeyValue(),
    clock: systemClock,
  })
}

/** Opens an engine with real nodes, planners and catalogue over what `setUp` (SQL) put into the data folder. */
export async function openUnderTest(
  setUp: readonly string[],
  options: Partial<EmbeddedEngineOptions> & { readonly folder?: string; readonly recorder?: MemoryRecorder } = {},
): Promise<UnderTest> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'forebay-engine-'))
  const dataFolder = join(folder, 'data')
  const stateFolder = join(folder, 'state')
  for (const each of [dataFolder, stateFolder]) mkdirSync(each, { recursive: true })
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  const duckdb: UnderTest['duckdb'] = async (sql) => {
    const target = /TO '\$DATA\/([^']+)\/[^/']+'/.exec(sql)?.[1]
    if (target !== undefined) mkdirSync(join(dataFolder, target), { recursive: true })
    const reader = await connection.runAndReadAll(sql.replaceAll('$DATA', dataFolder))
    return reader.getRowsJson() as readonly (readonly unknown[])[]
  }
  for (const sql of setUp) await duckdb(sql)

  const planner = await openPlannerPool({ planMsMax: 20_000 })
  const catalog = catalogOver(dataFolder, stateFolder, planner)
  await catalog.open()
  catalog.onChange((change) => (change.kind === 'forgotten' ? planner.forget(change.name) : planner.define(change)))
  const recorder = options.recorder ?? new MemoryRecorder()
  const activities: Activity[] = []
  const errors: unknown[] = []
  const engine = await openEmbeddedEngine({
    stateFolder,
    dataFolders: [dataFolder, join(stateFolder, 'tables')],
    writableFolders: [join(stateFolder, 'tables')],
    checksumFolder: join(stateFolder, 'checksums'),
    nodes: 2,
    memoryBytes: 1e9,
    diskBytes: 1e9,
    catalog,
    planner,
    clock: systemClock,
    packing: false,
    onActivity: (activity) => activities.push(activity),
    onError: (error) => errors.push(error),
    ...options,
    recorder,
  })
  const query: UnderTest['query'] = async (sql, more = {}) => {
    const execution = engine.submit(`q${++queries}`, requestOf(sql, more))
    const { body } = await execution.result
    const pieces: Uint8Array[] = []
    for await (const piece of body) pieces.push(piece)
    const text = Buffer.concat(pieces).toString()
    return { rows: JSON.parse(`[${text}]`) as readonly (readonly unknown[])[], status: execution.status() }
  }
  const close = async (): Promise<void> => {
    await engine.close()
    await catalog.close()
    await planner.close()
    connection.closeSync()
    instance.closeSync()
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
  }
  return { engine, catalog, planner, recorder, activities, errors, dataFolder, stateFolder, duckdb, query, close }
}

/** Resolves when the condition holds; fails after `ms`. */
export async function until(condition: () => boolean, what: string, ms = 30_000): Promise<void> {
  const giveUpAt = performance.now() + ms
  while (!condition()) {
    if (performance.now() > giveUpAt) throw new Error(`${what} did not happen within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
