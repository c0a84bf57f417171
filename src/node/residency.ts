import type { Pack } from '../model/segment.js'

/**
 * Which columns of which packs this process has read before, so that their blocks stand in its own buffers. It is an estimate:
 * DuckDB does not say which blocks it has let go, so everything is forgotten when the buffers are emptied.
 */
export class Residency {
  readonly #columns = new Map<string, Set<string>>()

  has(pack: Pack, columns: readonly string[]): boolean {
    const known = this.#columns.get(pack.id)
    return known !== undefined && columns.every((column) => known.has(column))
  }

  /** The columns have been read. */
  note(pack: Pack, columns: readonly string[]): void {
    const known = this.#columns.get(pack.id) ?? new Set()
    for (const column of columns) known.add(column)
    this.#columns.set(pack.id, known)
  }

  /** The pack has been detached. */
  forget(packId: string): void {
    this.#columns.delete(packId)
  }

  /** The buffers have been emptied. */
  clear(): void {
    this.#columns.clear()
  }
}
