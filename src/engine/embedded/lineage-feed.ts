/**
 * What the engine itself tells the lineage log, and what it passes on from nodes. Nothing here is waited for by a query. A
 * node's batch is acknowledged when it is durable and not before; until then the node keeps it.
 */
import type { FleetListener, NodeFleet } from '../../allocate/node-fleet.js'
import type { Clock } from '../../model/clock.js'
import type { LineageEvent } from '../../model/lineage-event.js'
import type { Plan, QueryId } from '../../model/query.js'
import { type SegmentId, type Snapshot, type SnapshotId, type StoredSegment, versionText } from '../../model/segment.js'
import type { EngineRecorder } from './engine-options.js'

const retryMs = 1_000
const snapshotsKnownMax = 100_000

export interface LineageFeedOptions {
  readonly recorder: EngineRecorder
  readonly fleet: NodeFleet
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

export class LineageFeed {
  readonly #options: LineageFeedOptions
  readonly #known = new Set<SnapshotId>()
  readonly #pending = new Set<Promise<unknown>>()
  #evictions = 0
  #closed = false

  constructor(options: LineageFeedOptions) {
    this.#options = options
    const listener: FleetListener = {
      message: (node, incarnation, message) => {
        if (message.type === 'lineage') void this.#forward(node, incarnation, message.batch, message.events)
      },
      changed: () => {},
      lost: () => {},
    }
    options.fleet.subscribe(listener)
  }

  /** Logs snapshots that no event has named yet. Called before the first task that reads them. */
  snapshots(snapshots: readonly Snapshot[]): void {
    const news = snapshots.filter((snapshot) => !this.#known.has(snapshot.id))
    if (news.length === 0) return
    if (this.#known.size > snapshotsKnownMax) this.#known.clear()
    for (const snapshot of news) this.#known.add(snapshot.id)
    const events = news.map(
      (snapshot): LineageEvent => ({
        kind: 'snapshot',
        id: `snapshot:${snapshot.id}`,
        at: snapshot.createdAt * 1000,
        snapshot: snapshot.id,
        dataset: snapshot.dataset,
        segments: snapshot.segments.map(({ id, rows, bytes, columnBytes }) => ({ id, rows, bytes, columnBytes })),
        locations: snapshot.segments.map(({ file }) => ({ path: file.path, version: versionText(file) })),
      }),
    )
    const forget = (error: unknown): void => {
      // One that is not in the log is logged again with the next query that names it: without it no edge of its segments is known.
      for (const { id } of news) this.#known.delete(id)
      this.#options.onError(error)
    }
    this.#track(this.#options.recorder.record(events).catch(forget))
  }

  /** A write was committed: these files are the new segments of the table's snapshot. */
  written(queryId: QueryId, table: string, snapshot: Snapshot, files: readonly { readonly path: string }[]): void {
    this.snapshots([snapshot])
    const paths = new Set(files.map((file) => file.path))
    const segments = snapshot.segments
      .filter((segment) => paths.has(segment.file.path))
      .map(({ id, rows, bytes }) => ({ id, rows, bytes }))
    const at = this.micros()
    this.record([{ kind: 'written', id: `written:${queryId}`, at, queryId, table, snapshot: snapshot.id, segments }])
  }

  columns(queryId: QueryId, plan: Plan, table?: string): void {
    if (plan.columnLineage.length === 0) return
    const columns = plan.columnLineage
    const event: LineageEvent = { kind: 'columns', id: `columns:${queryId}`, at: this.micros(), queryId, columns }
    this.record([table === undefined ? event : { ...event, table }])
  }

  evicted(segments: readonly StoredSegment[]): void {
    const ids = segments.map((segment): SegmentId => segment.id)
    const at = this.micros()
    this.record([{ kind: 'eviction', id: `eviction:${at}-${process.pid}-${++this.#evictions}`, at, segments: ids }])
  }

  record(events: readonly LineageEvent[]): void {
    this.#track(this.#options.recorder.record(events).catch(this.#options.onError))
  }

  /** Epoch microseconds, by the engine's clock. */
  micros(): number {
    return Math.round(this.#options.clock.now() * 1000)
  }

  /** Resolves when all that was handed over so far is durable, or has failed once more. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  /** Records what a node has said; true when it is durable, false when this was closed before. */
  take(events: readonly LineageEvent[]): Promise<boolean> {
    const attempt = async (): Promise<boolean> => {
      for (;;) {
        try {
          await this.#options.recorder.record(events)
          return true
        } catch (error) {
          this.#options.onError(error)
          if (this.#closed) return false
          // The node keeps its batch, and so do we: events of a node that died meanwhile are in our hands alone.
          await new Promise((resolve) => setTimeout(resolve, retryMs).unref())
        }
      }
    }
    const taken = attempt()
    this.#track(taken)
    return taken
  }

  async #forward(node: string, incarnation: number, batch: number, events: readonly LineageEvent[]): Promise<void> {
    const { fleet } = this.#options
    if (!(await this.take(events))) return
    const current = fleet.nodes().some((each) => each.id === node && each.incarnation === incarnation)
    if (current) fleet.send(node, { type: 'lineage-acknowledged', batch })
  }

  #track(work: Promise<unknown>): void {
    this.#pending.add(work)
    void work.finally(() => this.#pending.delete(work))
  }
}
