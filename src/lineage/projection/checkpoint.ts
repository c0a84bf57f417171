/**
 * A checkpoint is the whole graph with its index, written into the log as compressed parts, so that older events may go. It is
 * taken from a read transaction, slice by slice, while recording and projection go on; it counts once its last part is in.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { ForebayError } from '../../model/errors.js'
import { type Database, inTransaction, openReadOnly, Statements } from '../database.js'
import type { LineageBatch, LogOffset } from '../lineage-store.js'
import type { LineageLog } from '../log/lineage-log.js'
import { catalogueTables } from '../openlineage/catalogue-schema.js'
import { SqliteExport } from '../sqlite/sqlite-export.js'
import type { GraphDatabase } from './graph-database.js'
import { indexTables } from './index-schema.js'

const rowsPerPart = 2000
/** Facets may have megabytes each, and so may snapshots, each of which names all segments of its table. */
const largeTables: readonly string[] = ['ol_texts', 'snapshots']
const largeRowsPerPart = 20
/** How far the clocks of those who send events may be ahead. */
const aheadMicrosMax = 3_600_000_000

type Part = { readonly table: string; readonly rows: readonly (readonly unknown[])[] } | { readonly batch: LineageBatch }

/** Writes a checkpoint; each step of the iteration is a slice of a few milliseconds. Returns the offset that it stands for. */
export function* writeCheckpoint(log: LineageLog, graphPath: string): Generator<void, LogOffset> {
  const source = openReadOnly(graphPath)
  try {
    source.exec('BEGIN')
    const sql = new Statements(source)
    const offset = sql.first<[number]>("SELECT value FROM progress WHERE name = 'offset'")?.[0] ?? 0
    const high = summedUntil(log, sql, offset)
    const number = (log.fact('checkpoint') ?? 0) + 1
    let part = 0
    inTransaction(log.database, () => log.sql.run('DELETE FROM checkpoint WHERE number <> ?', number - 1))
    for (const content of parts(source, sql)) {
      const body = deflateRawSync(JSON.stringify(content), { level: 1 })
      inTransaction(log.database, () => log.sql.run('INSERT INTO checkpoint VALUES (?, ?, ?)', number, part++, body))
      yield
    }
    inTransaction(log.database, () => {
      log.setFact('checkpoint', number)
      log.setFact('checkpointOffset', offset)
      log.setFact('checkpointHigh', high)
      log.sql.run('DELETE FROM checkpoint WHERE number < ?', number)
    })
    return offset
  } finally {
    source.close()
  }
}

/** Loads the newest checkpoint into an empty graph; in steps. Without one it loads nothing. */
export function* loadCheckpoint(log: LineageLog, graph: GraphDatabase): Generator<void, void> {
  const number = log.fact('checkpoint')
  if (number === undefined) return
  for (let index = 0; ; index++) {
    const part = readPart(log, number, index)
    if (part === undefined) {
      refuseReplaced(log, number)
      break
    }
    graph.change(() => {
      if ('batch' in part) graph.graph.apply(part.batch)
      else insertRows(new Statements(graph.database), part.table, part.rows)
    })
    yield
  }
  const offset = log.fact('checkpointOffset') ?? 0
  for (let next = log.from(); next < offset; ) {
    const events = log.read(next, 500).filter((event) => event.offset < offset)
    const last = events.at(-1)
    if (last === undefined) break
    graph.change(() => {
      for (const { offset: at, event, marks } of events) if (marks.setAside !== true) graph.index.retake(at, event)
    })
    next = last.offset + 1
    yield
  }
  graph.change(() => {
    // A checkpoint of an older version has what its graph forgot afterwards: what comes late is new to both.
    graph.index.bequeath(log.from())
    graph.index.forget(log.from())
    graph.index.truncate(log.from())
    graph.graph.setOffset(offset)
  })
}

/** The graph's part of the newest checkpoint, as batches for a store that starts from nothing. */
export function* checkpointBatches(log: LineageLog): Generator<LineageBatch> {
  const number = log.fact('checkpoint')
  if (number === undefined) return
  for (let index = 0; ; index++) {
    const part = readPart(log, number, index)
    if (part === undefined) return refuseReplaced(log, number)
    if ('batch' in part) yield part.batch
  }
}

/** A newer checkpoint takes the parts of the older one away: what was read of it so far is not the whole graph. */
function refuseReplaced(log: LineageLog, number: number): void {
  if (log.fact('checkpoint') === number) return
  throw new ForebayError('UNAVAILABLE', 'a checkpoint of the lineage graph was replaced while it was read', { hint: 'ask again' })
}

/**
 * The latest time that the checkpoint has added up: before it, the graph of a time cannot be told any more. What other programs date far
 * ahead of its arrival does not count: one event of the year 9999 would take the past from everybody.
 */
function summedUntil(log: LineageLog, sql: Statements, offset: LogOffset): number {
  const last = log.sql.first<[number]>('SELECT arrived FROM log WHERE offset < ? ORDER BY offset DESC LIMIT 1', offset)
  if (last === undefined) return log.fact('checkpointHigh') ?? 0
  const until = last[0] * 1000 + aheadMicrosMax
  const latest = `SELECT max(last_at) AS at FROM edges WHERE last_at <= ?
    UNION ALL SELECT max(at) FROM snapshots UNION ALL SELECT max(at) FROM snapshot_returns`
  return sql.first<[number]>(`SELECT coalesce(max(at), 0) FROM (${latest})`, until)?.[0] ?? 0
}

function* parts(source: Database, sql: Statements): Generator<Part> {
  for (const { table, key } of [...indexTables, ...catalogueTables]) {
    const size = largeTables.includes(table) ? largeRowsPerPart : rowsPerPart
    for (const rows of sql.pages('*', table, key, size)) yield { table, rows }
  }
  for (const batch of new SqliteExport(source).batches(rowsPerPart)) yield { batch }
}

function readPart(log: LineageLog, number: number, index: number): Part | undefined {
  const row = log.sql.first<[Uint8Array]>('SELECT body FROM checkpoint WHERE number = ? AND part = ?', number, index)
  return row === undefined ? undefined : (JSON.parse(inflateRawSync(row[0]).toString()) as Part)
}

function insertRows(sql: Statements, table: string, rows: readonly (readonly unknown[])[]): void {
  const places = (rows[0] ?? []).map(() => '?').join(', ')
  for (const row of rows) sql.run(`INSERT OR REPLACE INTO ${table} VALUES (${places})`, ...row)
}
