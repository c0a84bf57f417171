import type { Access } from '../keep/keep-rules.js'
import type { Cache } from '../keep/priority-cache.js'

/** S3-FIFO (Yang et al., SOSP 2023): a small queue of a tenth for newcomers, a main queue with second chances, ghosts. */
export class S3Fifo implements Cache {
  readonly #small: Queue
  readonly #main: Queue
  readonly #ghosts = new Set<string>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
    this.#small = new Queue(capacity / 10)
    this.#main = new Queue(capacity * 0.9)
  }

  access({ id, bytes }: Access): boolean {
    const found = this.#small.touch(id, bytes) || this.#main.touch(id, bytes)
    if (!found) {
      if (bytes > this.#capacity) return false
      if (this.#ghosts.delete(id)) this.#main.add(id, bytes)
      else this.#small.add(id, bytes)
    }
    while (this.#small.used + this.#main.used > this.#capacity) this.#shrink()
    return found
  }

  #shrink(): void {
    if (this.#small.used > this.#small.share || this.#main.used === 0) {
      const gone = this.#small.take()
      if (gone === undefined) return
      if (gone.hits > 1) this.#main.add(gone.id, gone.bytes)
      else this.#remember(gone.id)
      return
    }
    const gone = this.#main.take()
    if (gone !== undefined && gone.hits > 0) this.#main.add(gone.id, gone.bytes, gone.hits - 1)
  }

  #remember(id: string): void {
    this.#ghosts.add(id)
    if (this.#ghosts.size > Math.max(16, this.#main.entries.size + this.#small.entries.size)) {
      for (const oldest of this.#ghosts) {
        this.#ghosts.delete(oldest)
        return
      }
    }
  }
}

class Queue {
  readonly entries = new Map<string, { bytes: number; hits: number }>()
  readonly share: number
  used = 0

  constructor(share: number) {
    this.share = share
  }

  add(id: string, bytes: number, hits = 0): void {
    this.entries.set(id, { bytes, hits })
    this.used += bytes
  }

  /** Counts a hit, and what it has grown by since; false where it is not held. */
  touch(id: string, bytes: number): boolean {
    const entry = this.entries.get(id)
    if (entry === undefined) return false
    this.used += bytes - entry.bytes
    entry.bytes = bytes
    entry.hits = Math.min(3, entry.hits + 1)
    return true
  }

  take(): { id: string; bytes: number; hits: number } | undefined {
    for (const [id, { bytes, hits }] of this.entries) {
      this.entries.delete(id)
      this.used -= bytes
      return { id, bytes, hits }
    }
    return undefined
  }
}
