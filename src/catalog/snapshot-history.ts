import { sep } from 'node:path'
import type { Snapshot, SnapshotId } from '../model/segment.js'

/** Unpinned snapshots of one dataset that are still found by id, for queries that were planned a moment ago. */
const keptPerDataset = 16

/** Snapshots by id: the newest ones of each dataset that there is, and whatever is pinned. */
export class SnapshotHistory {
  readonly #snapshots = new Map<SnapshotId, Snapshot>()
  /** Pinned ones of datasets that are gone. */
  readonly #lastSeen = new Map<SnapshotId, Snapshot>()
  readonly #pins = new Map<SnapshotId, number>()

  get(id: SnapshotId): Snapshot | undefined {
    return this.#snapshots.get(id) ?? this.#lastSeen.get(id)
  }

  add(snapshot: Snapshot): void {
    // Deleted first, so that the map's order is the order of last definition.
    this.#snapshots.delete(snapshot.id)
    this.#snapshots.set(snapshot.id, snapshot)
    const others = this.#of(snapshot.dataset).filter((other) => !this.#pins.has(other.id))
    for (const old of others.slice(0, -keptPerDataset)) this.#snapshots.delete(old.id)
  }

  /** The dataset is gone. */
  forget(dataset: string): void {
    for (const snapshot of this.#of(dataset)) {
      this.#snapshots.delete(snapshot.id)
      if (this.#pins.has(snapshot.id)) this.#lastSeen.set(snapshot.id, snapshot)
    }
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
        else {
          this.#pins.delete(id)
          this.#lastSeen.delete(id)
        }
      }
    }
  }

  /** True while a pinned snapshot names a file below the folder. */
  isUsed(folder: string): boolean {
    const below = folder + sep
    return [...this.#pins.keys()].some((id) => this.get(id)?.segments.some((segment) => segment.file.path.startsWith(below)))
  }

  #of(dataset: string): readonly Snapshot[] {
    const name = dataset.toLowerCase()
    return [...this.#snapshots.values()].filter((snapshot) => snapshot.dataset.toLowerCase() === name)
  }
}
