/**
 * The middleware of every move. A segment comes to a node, or leaves it, only through one of these functions: each runs the move,
 * measures it and notes what truly arrived. A move that failed has moved nothing and leaves no note.
 */
import { valueOf } from '../model/by-name.js'
import type { BaseRead, DerivedRead, Transfer } from '../model/lineage-event.js'
import type { DerivedSource } from '../model/messages.js'
import { type NodeId, storageNode } from '../model/node.js'
import type { BaseSegment, SnapshotId } from '../model/segment.js'

/** What the moves of one task add up to. */
export interface TransferLog {
  readonly node: NodeId
  readonly baseReads: BaseRead[]
  readonly derivedReads: DerivedRead[]
  readonly transfers: Transfer[]
}

/** A log with nothing in it. */
export function openTransferLog(node: NodeId): TransferLog {
  return { node, baseReads: [], derivedReads: [], transfers: [] }
}

/** Brings a derived segment here and notes the read and the transfer. `move` resolves to what it brought and the bytes that moved. */
export async function captureTransfer<T>(
  log: TransferLog,
  source: DerivedSource,
  move: () => Promise<{ readonly value: T; readonly bytes: number }>,
): Promise<T> {
  const startedAt = performance.now()
  const { value, bytes } = await move()
  const { stored, via, tier } = source
  const rows = stored.rows
  log.derivedReads.push({ segment: stored.id, tier, source: stored.node, bytes, rows })
  log.transfers.push({
    segment: stored.id,
    source: stored.node,
    destination: log.node,
    via,
    bytes,
    rows,
    micros: microsSince(startedAt),
    at: Math.round(Date.now() * 1000),
  })
  return value
}

/** Some segments of one snapshot that a statement reads from one place. */
export interface BaseMove {
  readonly dataset: string
  readonly snapshot: SnapshotId
  readonly segments: readonly BaseSegment[]
  readonly columns: readonly string[]
  readonly tier: 'parquet' | 'pack'
  /** True when this node has the blocks in its own buffers already, so that nothing moves. */
  readonly resident: boolean
}

/**
 * Runs the statement that reads base segments and notes the reads. DuckDB reads while it computes, so the time of a read is the
 * statement's, shared out by bytes: an upper bound.
 */
export async function captureReads<T>(log: TransferLog, moves: readonly BaseMove[], run: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const value = await run()
  const micros = microsSince(startedAt)
  const sizes = moves.map(bytesOf)
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0)
  for (const [index, move] of moves.entries()) {
    const bytes = sizes[index] ?? 0
    log.baseReads.push({
      dataset: move.dataset,
      snapshot: move.snapshot,
      segments: ordinalBitmap(move.segments),
      columns: move.columns,
      tier: move.tier,
      source: move.resident ? log.node : storageNode,
      bytes,
      rows: move.segments.reduce((sum, segment) => sum + segment.rows, 0),
      micros: total === 0 ? micros : Math.round((micros * bytes) / total),
    })
  }
  return value
}

/** Bytes that all moves so far have brought from elsewhere. */
export function bytesMoved(log: TransferLog): number {
  return log.transfers.reduce((sum, transfer) => sum + (transfer.source === transfer.destination ? 0 : transfer.bytes), 0)
}

/** Bitmap over a snapshot's ordinals: base64, least significant bit of byte 0 is ordinal 0. */
function ordinalBitmap(segments: readonly BaseSegment[]): string {
  let last = -1
  for (const segment of segments) last = Math.max(last, segment.ordinal)
  const bytes = new Uint8Array((last >> 3) + 1)
  for (const { ordinal } of segments) bytes[ordinal >> 3] = (bytes[ordinal >> 3] ?? 0) | (1 << (ordinal & 7))
  return Buffer.from(bytes).toString('base64')
}

/** Compressed bytes of the columns read; all of the segment where none of them is in the file. */
function bytesOf(move: BaseMove): number {
  let bytes = 0
  for (const segment of move.segments) for (const column of move.columns) bytes += valueOf(segment.columnBytes, column) ?? 0
  return bytes
}

function microsSince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 1000)
}
