/**
 * The bytes behind the index of derived segments. The index is kept in the recorder now and then and at the end, so that
 * answers outlive a restart; what stands in a spool and is in no index is a leftover and goes. Their checksums are proven by
 * whoever reads them, so that a spool need not be trusted.
 */
import { readdir, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { NodeFleet } from '../../../allocate/node-fleet.js'
import { systemClock } from '../../../model/clock.js'
import type { StoredSegment } from '../../../model/segment.js'
import type { DerivedIndex } from '../../../scheduler/derived-index.js'
import type { EngineRecorder } from '../engine-options.js'
import type { LineageFeed } from '../lineage-feed.js'
import { DerivedParts } from './derived-parts.js'

export interface DerivedKeeperOptions {
  readonly fleet: NodeFleet
  readonly lineage: LineageFeed
  readonly recorder: EngineRecorder
  /** Folder with one folder per node. */
  readonly nodesFolder: string
  readonly onError: (error: unknown) => void
}

const saveEveryMs = 15_000

export class DerivedKeeper {
  readonly #options: DerivedKeeperOptions
  readonly #parts: DerivedParts
  /** How many changes of the index are in what was saved last; undefined until what a former run left has been taken up. */
  #saved: number | undefined
  #saving: Promise<void> = Promise.resolve()

  constructor(options: DerivedKeeperOptions) {
    this.#options = options
    this.#parts = new DerivedParts(options.recorder)
  }

  /** The bytes of these are no longer wanted. */
  evict(evicted: readonly StoredSegment[]): void {
    this.#options.lineage.evicted(evicted)
    for (const stored of evicted) this.discard(stored)
  }

  /** One file of a segment goes, whatever others it has; for lineage the segment is where it was. */
  discard({ node, path }: StoredSegment): void {
    if (!this.#options.fleet.send(node, { type: 'drop-segments', segments: [basename(path)] })) void rm(path, { force: true })
  }

  /** Takes up what a former run left, before any node starts. */
  async restore(derived: DerivedIndex): Promise<void> {
    const { recorder, nodesFolder } = this.#options
    for (const entry of await this.#parts.restore()) if (await isThere(entry.stored)) derived.add(entry)
    const known = new Set(derived.entries().map((entry) => entry.stored.path))
    for (const node of await readdir(nodesFolder).catch(() => [])) {
      const spool = join(nodesFolder, node, 'spool')
      for (const name of await readdir(spool).catch(() => [])) {
        const path = join(spool, name)
        if (!known.has(path)) await rm(path, { force: true })
      }
    }
    await recorder.reconcile(derived.entries().map((entry) => entry.stored.id))
    this.#saved = -1
  }

  /** Saves the index now and then, until the signal. */
  start(derived: DerivedIndex, signal: AbortSignal): void {
    const run = async (): Promise<void> => {
      for (;;) {
        await systemClock.sleep(saveEveryMs, signal)
        await this.save(derived)
      }
    }
    run().catch(() => {})
  }

  /** Saves the index as it is by then; what could not be saved is tried again the next time. */
  save(derived: DerivedIndex): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save(derived)).catch(this.#options.onError)
    return this.#saving
  }

  async #save(derived: DerivedIndex): Promise<void> {
    const { changes } = derived
    if (this.#saved === undefined || changes === this.#saved) return
    await this.#parts.save(derived.entries())
    this.#saved = changes
  }
}

async function isThere({ path, bytes }: StoredSegment): Promise<boolean> {
  return stat(path).then(
    (file) => file.size === bytes,
    () => false,
  )
}
