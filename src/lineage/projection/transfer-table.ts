import type { AnswerEvent, TaskEvent, Transfer } from '../../model/lineage-event.js'
import type { Statements } from '../database.js'
import { type SnapshotLookup, taskInputs } from '../graph/contribution.js'
import type { LogOffset } from '../lineage-store.js'

/**
 * The raw transfers, one row each, in the order in which the log told of them. `high` is the latest end so far: it only grows, so
 * that the first row that can satisfy `since` is found by bisection, although transfers are not told of in the order of time.
 */
export class TransferTable {
  readonly #sql: Statements
  #high: number | undefined

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** The moves of a task: each base segment that came from elsewhere, then what its node noted itself. */
  addTask(offset: LogOffset, event: TaskEvent, snapshot: SnapshotLookup): void {
    const query = event.queryId ?? null
    if (event.baseReads.some((read) => read.source !== event.node)) {
      for (const input of taskInputs({ ...event, derivedReads: [] }, snapshot)) {
        if (input.source === event.node) continue
        const { segment, source, bytes, rows, transferMicros: micros } = input
        const move = { segment, source, destination: event.node, via: 'file' as const, bytes, rows, micros, at: event.at }
        this.#add(offset, query, move)
      }
    }
    for (const transfer of event.transfers) this.#add(offset, query, transfer)
  }

  addAnswer(offset: LogOffset, event: AnswerEvent): void {
    this.#add(offset, event.queryId, event.transfer)
  }

  /** Removes the moves before an offset. One that was told of late stands behind others, and goes with them. */
  truncate(offset: LogOffset): void {
    const first = 'SELECT id FROM transfers WHERE offset >= ? ORDER BY id LIMIT 1'
    this.#sql.run(`DELETE FROM transfers WHERE id < coalesce((${first}), ${Number.MAX_SAFE_INTEGER})`, offset)
  }

  #add(offset: LogOffset, query: string | null, transfer: Transfer): void {
    this.#high ??= this.#sql.first<[number]>('SELECT high FROM transfers ORDER BY id DESC LIMIT 1')?.[0] ?? 0
    this.#high = Math.max(this.#high, transfer.at)
    const { segment, source, destination, via, bytes, rows, micros, at } = transfer
    this.#sql.run(
      'INSERT INTO transfers VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      offset,
      segment,
      query,
      source,
      destination,
      via,
      bytes,
      rows,
      micros,
      at,
      this.#high,
    )
  }
}
