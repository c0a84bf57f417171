import { renameSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Carrier, SegmentId } from '../model/segment.js'

/**
 * The node's own folder of derived segments. A file's name is the segment's id, the incarnation and a number: the same segment
 * made twice gives two files, since DuckDB's bytes differ from run to run and each maker has promised a checksum of its own.
 */
export class Spool {
  readonly folder: string
  /** Copies that came over the network, and results on their way: gone when their task is. */
  readonly passing: string
  /** Most bytes of one segment. */
  readonly segmentBytesMax: number
  readonly #incarnation: number
  readonly #files = new Map<SegmentId, Set<string>>()
  #count = 0

  private constructor(nodeFolder: string, incarnation: number, segmentBytesMax: number) {
    this.folder = join(nodeFolder, 'spool')
    this.passing = join(nodeFolder, 'passing')
    this.segmentBytesMax = segmentBytesMax
    this.#incarnation = incarnation
  }

  /** Opens the folder, knows the segments of earlier incarnations again and removes what they left half done. */
  static async open(nodeFolder: string, incarnation: number, segmentBytesMax: number): Promise<Spool> {
    const spool = new Spool(nodeFolder, incarnation, segmentBytesMax)
    await rm(spool.passing, { recursive: true, force: true })
    await Promise.all([mkdir(spool.folder, { recursive: true }), mkdir(spool.passing, { recursive: true })])
    for (const name of await readdir(spool.folder)) spool.#note(name)
    return spool
  }

  /** A path nobody else writes. */
  passingPath(suffix: string): string {
    return join(this.passing, `${this.#incarnation}-${++this.#count}.${suffix}`)
  }

  /** Gives a whole file its place as this segment's; it need not survive a crash, its checksum tells. */
  publish(segment: SegmentId, from: string, carrier: Carrier): string {
    const name = `${segment}.${this.#incarnation}-${++this.#count}.${carrier}`
    const path = join(this.folder, name)
    renameSync(from, path)
    this.#note(name)
    return path
  }

  /** Path by segment id (the latest file) or by file name; undefined for whatever is not a segment of this spool. */
  find(idOrName: string): string | undefined {
    const names = this.#files.get(segmentOf(idOrName))
    if (names === undefined) return undefined
    const name = names.has(idOrName) ? idOrName : [...names].at(-1)
    return name === undefined || (name !== idOrName && idOrName !== segmentOf(name)) ? undefined : join(this.folder, name)
  }

  /** Removes every file of these segments; of one that is given as a file's name, that file alone. */
  async drop(idsOrNames: readonly string[]): Promise<void> {
    const gone = idsOrNames.flatMap((idOrName) => {
      const names = this.#files.get(segmentOf(idOrName))
      if (names === undefined) return []
      const dropped = [...names].filter((name) => idOrName === segmentOf(name) || idOrName === name)
      for (const name of dropped) names.delete(name)
      if (names.size === 0) this.#files.delete(segmentOf(idOrName))
      return dropped
    })
    await Promise.all(gone.map((name) => rm(join(this.folder, basename(name)), { force: true })))
  }

  #note(name: string): void {
    const segment = segmentOf(name)
    const names = this.#files.get(segment)
    if (names === undefined) this.#files.set(segment, new Set([name]))
    else names.add(name)
  }
}

/** Segment ids have no dots. */
function segmentOf(name: string): SegmentId {
  const dot = name.indexOf('.')
  return dot < 0 ? name : name.slice(0, dot)
}
