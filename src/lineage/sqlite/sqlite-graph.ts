import { type Database, type Statement, Statements } from '../database.js'
import { isDue } from '../graph/batch-place.js'
import { mergeDays, printDays } from '../graph/days.js'
import { isFolded } from '../graph/folding.js'
import { KnownVertices } from '../graph/known-vertices.js'
import type { LineageBatch, LineageEdge, LogOffset, Vertex } from '../lineage-store.js'
import { GraphNames, nodeName } from './graph-names.js'
import { graphSchema, processedBy, transformedInto } from './graph-schema.js'

/** Sums of rows and bytes stop where they are exact numbers no more: larger ones could not be read again. */
const upsertEdge = `INSERT INTO edges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at),
    count = count + excluded.count, rows = min(${Number.MAX_SAFE_INTEGER}, rows + excluded.rows),
    bytes = min(${Number.MAX_SAFE_INTEGER}, bytes + excluded.bytes), cpu = cpu + excluded.cpu,
    peak = max(peak, excluded.peak), queue = queue + excluded.queue, transfer = transfer + excluded.transfer,
    days = merge_days(days, excluded.days)`

const upsertHeat = 'INSERT INTO heat VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count'

const upsertSegment = `INSERT INTO vertices (name, kind, dataset, version, rows, bytes, location) VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (name) DO UPDATE SET kind = max(coalesce(kind, ''), excluded.kind),
    dataset = coalesce(max(dataset, excluded.dataset), dataset, excluded.dataset),
    version = coalesce(max(version, excluded.version), version, excluded.version),
    rows = max(rows, excluded.rows), bytes = max(bytes, excluded.bytes),
    location = coalesce(max(location, excluded.location), location, excluded.location)
  WHERE kind IS NOT excluded.kind OR dataset IS NOT excluded.dataset OR version IS NOT excluded.version
    OR rows < excluded.rows OR bytes < excluded.bytes OR location IS NOT excluded.location`

/** Vertices that are remembered: those of jobs that report again and again, while a stream of new segments costs little memory. */
const knownMax = 20_000

type StoredEdge = [number, number, number, number, number, number, ...number[]]

/** The graph of one database, written synchronously inside the caller's transaction. */
export class SqliteGraph {
  readonly #sql: Statements
  readonly #names: GraphNames
  readonly #known = new KnownVertices(knownMax)
  readonly #upsertEdge: Statement
  readonly #upsertHeat: Statement
  #offset: LogOffset | undefined

  constructor(database: Database) {
    database.exec(graphSchema)
    database.function('merge_days', { deterministic: true }, mergeDays)
    this.#sql = new Statements(database)
    this.#names = new GraphNames(this.#sql)
    // The statements of each edge are at hand: to look them up and to hand their values on twice would show.
    this.#upsertEdge = this.#sql.prepare(upsertEdge)
    this.#upsertHeat = this.#sql.prepare(upsertHeat)
  }

  /** Applies a batch unless it was seen. A batch that spans nothing (`from` = `to`) is part of a checkpoint and always applied. */
  apply(batch: LineageBatch): void {
    if (!isDue(batch, this.offset())) return
    for (const { from, into } of batch.folds) this.#fold(from, into)
    const news = this.#known.news(batch)
    for (const vertex of news) this.#vertex(vertex)
    this.#known.applied({ vertices: news, folds: batch.folds })
    for (const edge of batch.edges) this.#edge(edge)
    if (batch.from !== batch.to) this.setOffset(batch.to)
  }

  offset(): LogOffset {
    this.#offset ??= this.#sql.first<[number]>("SELECT value FROM progress WHERE name = 'offset'")?.[0] ?? 0
    return this.#offset
  }

  setOffset(offset: LogOffset): void {
    this.#offset = offset
    this.#sql.run("INSERT OR REPLACE INTO progress VALUES ('offset', ?)", offset)
  }

  origin(): string | undefined {
    return this.#sql.first<[string]>("SELECT value || '' FROM progress WHERE name = 'origin'")?.[0]
  }

  setOrigin(origin: string): void {
    this.#sql.run("INSERT OR REPLACE INTO progress VALUES ('origin', ?)", origin)
  }

  clear(): void {
    for (const table of ['edges', 'heat', 'vertices', 'shapes', 'progress']) this.#sql.run(`DELETE FROM ${table}`)
    this.#forget()
  }

  /** Must be called when a transaction that had changes was rolled back. */
  rolledBack(): void {
    this.#forget()
  }

  #forget(): void {
    this.#names.clear()
    this.#known.forget()
    this.#offset = undefined
  }

  #vertex(vertex: Vertex): void {
    if (vertex.type === 'DataSegment') {
      const { id, kind, dataset, version, rows, bytes, location } = vertex
      this.#sql.run(upsertSegment, id, kind, dataset, version, rows, bytes, location)
      return
    }
    const name = nodeName(vertex.id)
    const row = this.#sql.first<[string | null]>('SELECT roles FROM vertices WHERE name = ?', name)
    const known = row?.[0]?.split(' ').filter((role) => role !== '') ?? []
    const roles = [...new Set([...known, ...vertex.roles])].sort().join(' ')
    if (row !== undefined && row[0] === roles) return
    this.#sql.run(
      `INSERT INTO vertices (name, kind, roles, host) VALUES (?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET kind = max(coalesce(kind, ''), excluded.kind), roles = excluded.roles,
         host = max(coalesce(host, ''), excluded.host)`,
      name,
      vertex.kind,
      roles,
      vertex.host,
    )
  }

  #edge(edge: LineageEdge): void {
    const source = this.#names.intern(edge.from)
    const used = edge.type === 'PROCESSED_BY'
    const target = used ? this.#names.internNode(edge.to) : this.#names.intern(edge.to)
    const { totals } = edge
    this.#upsertEdge.run(
      source,
      used ? processedBy : transformedInto,
      target,
      this.#names.shape(edge.transformation),
      this.#names.internNode(edge.sourceNode),
      this.#names.internNode(edge.destinationNode),
      edge.firstAt,
      edge.lastAt,
      edge.count,
      totals.rows,
      totals.bytes,
      totals.cpuMicros,
      totals.peakMemoryBytes,
      totals.queueMicros,
      totals.transferMicros,
      printDays(edge.days),
    )
    if (!used || isFolded(edge.from)) return
    for (const [day, count] of edge.days) this.#upsertHeat.run(source, day, count)
  }

  #fold(from: string, into: string): void {
    const gone = this.#names.find(from)
    if (gone === undefined) return
    const folded = this.#names.intern(into)
    const edges = [
      ...this.#sql.all<StoredEdge>('SELECT * FROM edges WHERE source = ?', gone),
      ...this.#sql.all<StoredEdge>('SELECT * FROM edges WHERE target = ? AND kind = 0 AND source <> ?', gone, gone),
    ]
    for (const [source, kind, target, shape, fromNode, toNode, ...rest] of edges) {
      this.#sql.run(
        'DELETE FROM edges WHERE source = ? AND kind = ? AND target = ? AND shape = ? AND from_node = ? AND to_node = ?',
        source,
        kind,
        target,
        shape,
        fromNode,
        toNode,
      )
      const ends = [source === gone ? folded : source, kind, target === gone ? folded : target]
      this.#upsertEdge.run(...ends, shape, fromNode, toNode, ...rest)
    }
    this.#sql.run('DELETE FROM heat WHERE segment = ?', gone)
    this.#sql.run('DELETE FROM vertices WHERE id = ?', gone)
    this.#names.forget(from)
  }
}
