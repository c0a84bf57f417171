import { type SegmentId, stableHash } from '../../../model/segment.js'

const keptMax = 5_000

/** What former runs of a leaf statement showed: how many rows its partials had, and whether its data changes between runs. */
export class LeafMemory {
  readonly #known = new Map<string, { version: string; grows: boolean; rows: number | undefined }>()

  /** The statement is to run over these segments. */
  saw(work: string, segments: readonly SegmentId[]): { readonly grows: boolean; readonly rows: number | undefined } {
    const version = stableHash(segments)
    const known = this.#known.get(work)
    const now = { version, grows: known?.grows === true || (known !== undefined && known.version !== version), rows: known?.rows }
    this.#known.delete(work)
    this.#known.set(work, now)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= keptMax) break
      this.#known.delete(oldest)
    }
    return now
  }

  /** A partial of it had so many rows. */
  partial(work: string, rows: number): void {
    const known = this.#known.get(work)
    if (known !== undefined) known.rows = Math.max(known.rows ?? 0, rows)
  }

  /** What is known, without the statement being run. */
  peek(work: string): { readonly grows: boolean; readonly rows: number | undefined } {
    return this.#known.get(work) ?? { grows: false, rows: undefined }
  }
}
