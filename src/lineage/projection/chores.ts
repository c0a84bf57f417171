/**
 * Long work of the recorder's thread, as generators that give way after every slice: recording goes on between slices.
 */
import { rmSync } from 'node:fs'
import { inTransaction, openReadOnly } from '../database.js'
import { GraphDigest } from '../graph/graph-digest.js'
import type { LogOffset } from '../lineage-store.js'
import type { LineageLog } from '../log/lineage-log.js'
import type { GraphReport } from '../recorder-port.js'
import { SqliteExport } from '../sqlite/sqlite-export.js'
import { loadCheckpoint, writeCheckpoint } from './checkpoint.js'
import { type AdvanceOptions, GraphDatabase } from './graph-database.js'

export type Chore<T> = Generator<void, T>

const eventsPerSlice = 200
const rowsPerSlice = 2000
/** No task is told of so long after its table has changed. */
const longestTaskMs = 86_400_000

/**
 * Whether the graph lacks what only the checkpoint still tells: its file was lost, or a rebuild did not come to its end. Nothing may be
 * projected into it then, since the events before the log's first one would be missing for ever, and no checkpoint taken of it.
 */
export function isBehindCheckpoint(log: LineageLog, graph: GraphDatabase): boolean {
  return graph.offset() < Math.max(log.from(), log.fact('checkpointOffset') ?? 0)
}

/** Empties a graph that lacks what the checkpoint tells, and loads the checkpoint; does nothing to any other. */
export function* catchUpWithCheckpoint(log: LineageLog, graph: GraphDatabase): Chore<void> {
  if (!isBehindCheckpoint(log, graph)) return
  graph.change(() => graph.clear())
  yield* loadCheckpoint(log, graph)
}

/**
 * Up to where a truncation had come to forget when it was cut off; undefined when none was. Until it is done, the graph lacks what it
 * would have if it were made from the log.
 */
export function truncationBegun(log: LineageLog): LogOffset | undefined {
  const forgotten = log.fact('forgottenTo') ?? 0
  return forgotten > (log.fact('truncatedTo') ?? 0) ? forgotten : undefined
}

/**
 * Writes a checkpoint, then truncates the log up to an offset, never beyond the checkpoint. Gives how many events went. What the results of
 * queries were is kept for as many as the history has, or it would grow with every query for ever.
 *
 * The index forgets what leaves the log before the checkpoint is taken: what is projected meanwhile must refer to nothing that only the
 * graph of now still knows, or a rebuild from the checkpoint would not give it again.
 */
export function* checkpointAndTruncate(
  log: LineageLog,
  graph: GraphDatabase,
  graphPath: string,
  upTo: LogOffset,
  queriesMax: number,
): Chore<{ readonly offset: number; readonly truncated: number }> {
  yield* catchUpWithCheckpoint(log, graph)
  const from = log.from()
  const end = Math.min(upTo, graph.offset())
  const [arrived = 0] =
    log.sql.first<[number]>('SELECT arrived FROM log WHERE offset >= ? ORDER BY offset LIMIT 1', end - 1) ?? []
  if (end > from) log.setFact('forgottenTo', end)
  graph.change(() => {
    graph.index.keepResults(queriesMax)
    graph.index.forgetWaiting(from)
    graph.index.snapshots.thin((arrived - longestTaskMs) * 1000)
  })
  yield
  graph.change(() => graph.index.bequeath(end))
  yield
  for (const next of slices(from, end)) {
    graph.change(() => graph.index.forget(next))
    yield
  }
  const offset = yield* writeCheckpoint(log, graphPath)
  for (const next of slices(from, end)) {
    inTransaction(log.database, () => {
      log.setFact('truncatedTo', next)
      log.sql.run('DELETE FROM log WHERE offset < ?', next)
    })
    graph.change(() => graph.index.truncate(next))
    yield
  }
  return { offset, truncated: Math.max(0, end - from) }
}

/** Where the slices of a stretch of the log end. */
function* slices(from: LogOffset, end: LogOffset): Generator<LogOffset> {
  for (let next = from; next < end; ) {
    next = Math.min(next + rowsPerSlice, end)
    yield next
  }
}

/** The first offset that arrived at a time or later. */
export function offsetAt(log: LineageLog, arrived: number): LogOffset {
  let low = log.from()
  let high = log.next()
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const row = log.sql.first<[number]>('SELECT arrived FROM log WHERE offset >= ? ORDER BY offset LIMIT 1', middle)
    if (row === undefined || row[0] >= arrived) high = middle
    else low = middle + 1
  }
  return low
}

/** Drops the graph and makes it anew; compares it with what it was. Nothing else may project meanwhile. */
export function* rebuildGraph(log: LineageLog, graph: GraphDatabase, graphPath: string): Chore<GraphReport> {
  const end = graph.offset()
  const before = yield* digestOf(graphPath)
  graph.change(() => graph.clear())
  // An event that was set aside may be taken now, by a newer version: the other graphs learn it from its marks.
  yield* fill(log, graph, end, { keepMarks: true })
  const after = yield* digestOf(graphPath)
  return { store: 'sqlite', ...after, events: end, setAside: graph.setAside(), identical: before.hash === after.hash }
}

/** Makes a second graph in a file beside the first and compares the two. */
export function* verifyGraph(log: LineageLog, graphPath: string): Chore<GraphReport> {
  const { offset: end, digest: present } = yield* snapshotDigest(graphPath)
  const path = `${graphPath}.verify`
  remove(path)
  const second = new GraphDatabase(path, log)
  try {
    yield* fill(log, second, end)
    second.flush()
    const made = yield* digestOf(path)
    return { store: 'sqlite', ...present, events: end, setAside: second.setAside(), identical: made.hash === present.hash }
  } finally {
    second.close()
    remove(path)
  }
}

/** Loads the checkpoint and projects events up to an offset; `until` leaves out what happened after a time. */
export function* fill(log: LineageLog, graph: GraphDatabase, end: LogOffset, options: AdvanceOptions = {}): Chore<void> {
  yield* loadCheckpoint(log, graph)
  while (graph.offset() < end) {
    if (graph.advance(Math.min(eventsPerSlice, end - graph.offset()), { keepMarks: false, ...options }) === 0) break
    yield
  }
}

function* digestOf(path: string): Chore<ReturnType<GraphDigest['value']>> {
  return (yield* snapshotDigest(path)).digest
}

/** The digest of one moment of a graph that goes on being written, and the offset of that moment. */
function* snapshotDigest(path: string): Chore<{ offset: LogOffset; digest: ReturnType<GraphDigest['value']> }> {
  const database = openReadOnly(path)
  try {
    database.exec('BEGIN')
    const row = database.prepare("SELECT value FROM progress WHERE name = 'offset'").get() as { value: number } | undefined
    const digest = new GraphDigest()
    for (const batch of new SqliteExport(database).batches(rowsPerSlice)) {
      for (const vertex of batch.vertices) digest.vertex(vertex)
      for (const edge of batch.edges) digest.edge(edge)
      yield
    }
    return { offset: row?.value ?? 0, digest: digest.value() }
  } finally {
    database.close()
  }
}

function remove(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}
