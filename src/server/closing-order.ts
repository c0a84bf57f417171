/** What must be closed, last opened first. A failure of one does not keep the others open. */
export class ClosingOrder {
  readonly #closers: (() => Promise<unknown>)[] = []

  add(close: () => Promise<unknown>): void {
    this.#closers.push(close)
  }

  /** Adds something that is still opening: it is closed also when something else fails meanwhile. */
  track<T extends { close(): Promise<unknown> }>(opening: Promise<T>): Promise<T> {
    this.add(async () => {
      const opened = await opening.catch(() => undefined)
      await opened?.close()
    })
    return opening
  }

  /** Closes everything; rejects with the first failure after all were tried. */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closers.splice(0).toReversed()) {
      await close().catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }
}
