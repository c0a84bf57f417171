/** Where a traversal starts, and the other questions that the index answers. All on one read-only connection. */
import { ForebayError } from '../../model/errors.js'
import type { SegmentId } from '../../model/segment.js'
import { type Database, Statements } from '../database.js'
import { isoTime } from '../lineage-answer.js'
import type { ColumnsRequest, TransfersRequest } from '../lineage-reader-port.js'

/** Rows that one page of transfers looks at; a page that finds less than its limit among them still has a `next`. */
const scannedMax = 200_000
const columnEdgesMax = 10_000

type TransferRow = [
  id: number,
  segment: string,
  query: string | null,
  source: string,
  destination: string,
  via: string,
  bytes: number,
  rows: number,
  micros: number,
  at: number,
]
type ColumnRow = [string, string, string, string, string, string, number, number, number]

/** What to try where the graph does not know what was named. */
const startHints: Readonly<Record<string, string>> = {
  table: 'a table is in the graph once a statement has read or written it; forebay tables lists all',
  segment: 'forebay hot, or GET /v1/hot-segments, names some; ids change when data changes',
  query: 'forebay status, or GET /v1/queries, lists them; a query is in the graph once it has an answer',
  node: 'a node is in the graph once it has worked on a segment; forebay nodes lists those that are there',
}

export class LineageQueries {
  readonly #sql: Statements

  constructor(database: Database) {
    this.#sql = new Statements(database)
  }

  /**
   * The vertices that `segment:ID`, `table:NAME`, `query:ID` or `node:ID` stands for, or stood for at a time (microseconds).
   * Throws NOT_FOUND or REQUEST_INVALID.
   */
  starts(from: string, asOf?: number): string[] {
    const colon = from.indexOf(':')
    const kind = from.slice(0, colon)
    const id = from.slice(colon + 1)
    if (colon === -1 || id === '') throw invalid(from)
    const found = this.#startsOf(kind, id, from, asOf)
    if (found.length > 0) return found
    const then = asOf === undefined ? '' : ` at ${isoTime(asOf)}`
    const hint = startHints[kind] ?? 'ask for segment:ID, table:NAME, query:ID or node:ID'
    throw new ForebayError('NOT_FOUND', `the lineage graph does not know ${kind} "${id}"${then}`, { hint })
  }

  /** The vertex that stands for a segment: itself, or what it was folded into. */
  vertexOf(segment: SegmentId): string | undefined {
    if (this.#isVertex(segment)) return segment
    const [folded] = this.#sql.first<[string | null]>('SELECT folded FROM derived WHERE id = ?', segment) ?? []
    return folded ?? undefined
  }

  transfers(request: TransfersRequest): { readonly transfers: readonly object[]; readonly next?: string } {
    const conditions: string[] = []
    const values: (string | number)[] = []
    const filter = (condition: string, value: string | number | undefined): void => {
      if (value === undefined) return
      conditions.push(`AND ${condition}`)
      values.push(value)
    }
    filter('segment = ?', request.segment)
    filter('query = ?', request.query)
    filter('source = ?', request.source)
    filter('destination = ?', request.destination)
    const since = request.since === undefined ? undefined : request.since * 1000
    filter('at >= ?', since)
    const after = Math.max(cursorNumber(request.cursor), since === undefined ? 0 : this.#firstSince(since) - 1)
    // An index by segment or query finds few rows; without one the table is read in order, a bounded stretch of it.
    const indexed = request.segment !== undefined || request.query !== undefined
    const until = indexed ? Number.MAX_SAFE_INTEGER : after + scannedMax
    const rows = this.#sql.all<TransferRow>(
      `SELECT id, segment, query, source, destination, via, bytes, rows, micros, at FROM transfers
       WHERE id > ? AND id <= ? ${conditions.join(' ')} ORDER BY id LIMIT ?`,
      after,
      until,
      ...values,
      request.limit,
    )
    const last = this.#sql.first<[number | null]>('SELECT max(id) FROM transfers')?.[0] ?? 0
    const reached = rows.length === request.limit ? (rows.at(-1)?.[0] ?? after) : Math.min(until, last)
    return { transfers: rows.map(transferOf), ...(reached < last ? { next: String(reached) } : {}) }
  }

  columns(request: ColumnsRequest): object {
    const depth = request.depth ?? 20
    const edges = new Map<string, ColumnRow>()
    const columns = new Map<string, { table: string; column: string }>()
    const start = this.#columnsOf(request.table, request.column)
    for (const direction of ['upstream', 'downstream'] as const) {
      if (request.direction !== 'both' && request.direction !== direction) continue
      let frontier = start
      const seen = new Set(start.map(columnKey))
      for (let hop = 0; hop < depth && frontier.length > 0 && edges.size < columnEdgesMax; hop++) {
        frontier = this.#hop(frontier, direction, seen, edges)
      }
    }
    if (edges.size === 0 && start.length === 0) {
      const name = request.column === undefined ? request.table : `${request.table}.${request.column}`
      throw new ForebayError('NOT_FOUND', `no column lineage is known of "${name}"`, {
        hint: 'it is recorded where a statement writes a table (CREATE TABLE … AS, INSERT): ask for a column of that table, or of one that it reads',
      })
    }
    for (const column of start) columns.set(columnKey(column), { table: column[0], column: column[1] })
    for (const [table, column, fromTable, fromColumn] of edges.values()) {
      columns.set(columnKey([table, column]), { table, column })
      columns.set(columnKey([fromTable, fromColumn]), { table: fromTable, column: fromColumn })
    }
    return { columns: [...columns.values()], edges: [...edges.values()].map(columnEdge), truncated: edges.size >= columnEdgesMax }
  }

  #startsOf(kind: string, id: string, from: string, asOf: number | undefined): string[] {
    const known = (names: string[]): string[] => (asOf === undefined ? names : this.#knownAt(names, asOf))
    if (kind === 'segment') return known([this.vertexOf(id)].filter((vertex) => vertex !== undefined))
    if (kind === 'node') return known(this.#isVertex(`node:${id}`) ? [`node:${id}`] : [])
    if (kind === 'table') {
      const segments = this.#tableSegments(id, asOf)
      return segments.length > 0 ? segments : known(this.#externalSegments(id))
    }
    if (kind === 'query') return known(this.#resultOf(id))
    throw invalid(from)
  }

  /** Those of some vertices that had an edge, or were in a snapshot of their table, at a time. */
  #knownAt(names: readonly string[], asOf: number): string[] {
    return this.#sql
      .all<[string]>(
        `SELECT v.name FROM json_each(?1) f CROSS JOIN vertices v ON v.name = f.value WHERE
           EXISTS (SELECT 1 FROM edges e WHERE e.source = v.id AND e.first_at <= ?2)
           OR EXISTS (SELECT 1 FROM edges e WHERE e.target = v.id AND e.first_at <= ?2)
           OR EXISTS (SELECT 1 FROM snapshots p, json_each(p.segments) e
             WHERE p.dataset = v.dataset COLLATE NOCASE AND p.at <= ?2 AND e.value = v.name)
         ORDER BY f.key`,
        JSON.stringify(names),
        asOf,
      )
      .map(([name]) => name)
  }

  /** The segments of the table's latest snapshot, or of its latest one at a time. */
  #tableSegments(table: string, asOf = Number.MAX_SAFE_INTEGER): string[] {
    return this.#sql
      .all<[string]>(
        `WITH first AS (SELECT id, at, rowid AS number FROM snapshots
           WHERE dataset = ?1 COLLATE NOCASE AND at <= ?2 ORDER BY at DESC, rowid DESC LIMIT 1),
         again AS (SELECT snapshot, at, 0 FROM snapshot_returns WHERE dataset = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1),
         latest AS (SELECT * FROM first UNION ALL SELECT * FROM again ORDER BY at DESC, number DESC LIMIT 1)
         SELECT e.value FROM latest CROSS JOIN snapshots p ON p.id = latest.id, json_each(p.segments) e ORDER BY e.key`,
        table,
        asOf,
      )
      .map(([segment]) => segment)
  }

  /** The versions of a dataset that other programs reported, `NAMESPACE:NAME`. */
  #externalSegments(dataset: string): string[] {
    const rows = this.#sql.all<[string]>(
      "SELECT name FROM vertices WHERE dataset = ? AND kind = 'external' ORDER BY name",
      dataset,
    )
    return rows.map(([segment]) => segment)
  }

  /** What the query answered or wrote; before that is known, what its root made. */
  #resultOf(query: string): string[] {
    const rows = this.#sql.all<[string, number]>(
      'SELECT segment, rank FROM results WHERE query = ? ORDER BY rank, segment',
      query,
    )
    const best = rows.filter(([, rank]) => rank === rows[0]?.[1])
    return [...new Set(best.map(([segment]) => this.vertexOf(segment)).filter((vertex) => vertex !== undefined))]
  }

  #isVertex(name: string): boolean {
    return this.#sql.first('SELECT 1 FROM vertices WHERE name = ? AND kind IS NOT NULL', name) !== undefined
  }

  /** The first row that may have ended at a time or later; `high` only grows. */
  #firstSince(since: number): number {
    const [first, last] = this.#sql.first<[number | null, number | null]>('SELECT min(id), max(id) FROM transfers') ?? [
      null,
      null,
    ]
    if (first === null || last === null) return 0
    let low = first
    let high = last + 1
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const [reached = 0] =
        this.#sql.first<[number]>('SELECT high FROM transfers WHERE id >= ? ORDER BY id LIMIT 1', middle) ?? []
      if (reached >= since) high = middle
      else low = middle + 1
    }
    return low
  }

  #columnsOf(table: string, column: string | undefined): [string, string][] {
    const known = this.#sql.all<[string, string]>(
      `SELECT dataset, name FROM columns WHERE dataset = ? UNION SELECT from_dataset, from_name FROM columns WHERE from_dataset = ?`,
      table,
      table,
    )
    const named = known.filter(([, name]) => column === undefined || name.toLowerCase() === column.toLowerCase())
    return [...new Map(named.map((entry) => [columnKey(entry), entry])).values()]
  }

  #hop(
    frontier: readonly [string, string][],
    direction: 'upstream' | 'downstream',
    seen: Set<string>,
    edges: Map<string, ColumnRow>,
  ): [string, string][] {
    const next: [string, string][] = []
    const statement =
      direction === 'upstream'
        ? 'SELECT * FROM columns WHERE dataset = ? AND name = ? LIMIT ?'
        : 'SELECT * FROM columns WHERE from_dataset = ? AND from_name = ? LIMIT ?'
    for (const [table, column] of frontier) {
      for (const row of this.#sql.all<ColumnRow>(statement, table, column, columnEdgesMax - edges.size)) {
        edges.set(row.slice(0, 6).join('\n').toLowerCase(), row)
        const reached: [string, string] = direction === 'upstream' ? [row[2], row[3]] : [row[0], row[1]]
        const key = columnKey(reached)
        if (seen.has(key)) continue
        seen.add(key)
        next.push(reached)
      }
    }
    return next
  }
}

function columnKey([table, column]: readonly [string, string]): string {
  return `${table}\n${column}`.toLowerCase()
}

function columnEdge([table, column, fromTable, fromColumn, kind, subtype, firstAt, lastAt, count]: ColumnRow): object {
  return {
    table,
    column,
    fromTable,
    fromColumn,
    kind,
    subtype,
    firstAt: isoTime(firstAt),
    lastAt: isoTime(lastAt),
    count,
  }
}

function transferOf([, segment, query, source, destination, via, bytes, rows, micros, at]: TransferRow): object {
  return {
    segment,
    ...(query === null ? {} : { queryId: query }),
    source,
    destination,
    via,
    bytes,
    rows,
    transferMs: micros / 1000,
    at: isoTime(at),
  }
}

function cursorNumber(cursor: string | undefined): number {
  if (cursor === undefined) return 0
  const number = Number(cursor)
  if (!Number.isSafeInteger(number) || number < 0) throw new ForebayError('REQUEST_INVALID', `"${cursor}" is no cursor of a page`)
  return number
}

function invalid(from: string): ForebayError {
  return new ForebayError('REQUEST_INVALID', `"${from}" is none of segment:ID, table:NAME, query:ID and node:ID`)
}
