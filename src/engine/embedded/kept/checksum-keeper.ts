import { systemClock } from '../../../model/clock.js'
import type { BaseSegment, SegmentId } from '../../../model/segment.js'
import { elsewhere } from '../../../scheduler/run-task.js'
import type { EngineParts } from '../engine-parts.js'
import type { NodeReplies } from '../nodes/node-replies.js'

const waitingMax = 10_000
const roundEveryMs = 500

/**
 * Has nodes record checksums of the column chunks that were read for the first time, soon after the query and never in its
 * way: bytes that change later without a change of size and time are found at the next start.
 */
export class ChecksumKeeper {
  readonly #parts: EngineParts
  readonly #replies: NodeReplies
  readonly #waiting = new Map<SegmentId, { readonly segment: BaseSegment; readonly columns: Set<string> }>()
  #loop: Promise<void> = Promise.resolve()

  constructor(parts: EngineParts, replies: NodeReplies) {
    this.#parts = parts
    this.#replies = replies
  }

  /** A task read these columns of the segment's file. */
  read(segment: BaseSegment, columns: readonly string[]): void {
    const needed = this.#parts.catalog.checksums?.recordingNeeded(segment, columns) ?? []
    if (needed.length === 0 || this.#waiting.size >= waitingMax) return
    const entry = this.#waiting.get(segment.id) ?? { segment, columns: new Set() }
    for (const column of needed) entry.columns.add(column)
    this.#waiting.set(segment.id, entry)
  }

  start(signal: AbortSignal): void {
    const run = async (): Promise<void> => {
      for (;;) {
        await systemClock.sleep(roundEveryMs, signal)
        await this.runOnce(signal)
      }
    }
    this.#loop = run().catch((error) => {
      if (!signal.aborted) this.#parts.onError(error)
    })
  }

  stopped(): Promise<void> {
    return this.#loop
  }

  /** Records what waits, as long as no query runs. */
  async runOnce(signal: AbortSignal): Promise<void> {
    const { pool, dispatcher, catalog, admission } = this.#parts
    for (const [id, { segment, columns }] of this.#waiting) {
      const ready = pool.ready()
      if (signal.aborted || ready.length === 0 || admission.running > 0) return
      this.#waiting.delete(id)
      const names = catalog.checksums?.recordingNeeded(segment, [...columns]) ?? []
      if (names.length === 0) continue
      try {
        await this.#replies.recordChecksums(elsewhere(ready, undefined, dispatcher), segment, names)
        catalog.checksums?.markRecorded(segment, names)
      } catch {
        // The file changed or its node ended: the next read of it comes here again.
      }
    }
  }
}
