import { sep } from 'node:path'
import type { Snapshot, SnapshotId } from '../model/segment.js'

/** Unpinned snapshots of one dataset that are still found by id, for queries that were planned a moment ago. */
const keptPerDataset = 16

/** Snapshots by id: the newest ones of each dataset, and whatever is pinned. */
export class SnapshotHistory {
  readonly #snapshots = new Map<SnapshotId, Snapshot>()
  readonly #pins = new Map<SnapshotId, number>()

  get(id: SnapshotId): Snapshot | undefined {
    return this.#snapshots.get(id)
  }

  add(snapshot: Snapshot): void {
    // Deleted first, so that the map's order is the order of last definition.
    this.#snapshots.delete(snapshot.id)
    this.#snapshots.set(snapshot.id, snapshot)
    const others = [...this.#snapshots.values()].filter(
      (other) => other.dataset === snapshot.dataset && !this.#pins.has(other.id),
    )
    for (const old of others.slice(0, -keptPerDataset)) this.#snapshots.delete(old.id)
  }

  /** Keeps these snapshots, and the files of written tables that they name, until the answer is called. */
  pin(ids: readonly SnapshotId[]): () => void {
    for (const id of ids) this.#pins.set(id, (this.#pins.get(id) ?? 0) + 1)
    let held = true
    return () => {
      if (!held) return
      held = false
      for (const id of ids) {
        const count = (this.#pins.get(id) ?? 1) - 1
        if (count > 0) this.#pins.set(id, count)
        else this.#pins.delete(id)
      }
    }
  }

  /** True while a pinned snapshot names a file below the folder. */
  isUsed(folder: string): boolean {
    const below = folder + sep
    return [...this.#pins.keys()].some((id) =>
      this.#snapshots.get(id)?.segments.some((segment) => segment.file.path.startsWith(below)),
    )
  }
}
