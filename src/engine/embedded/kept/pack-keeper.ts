/**
 * Builds packs of what is read often, when nothing else is to be done, merges small ones, and drops those of data that is
 * gone. Columns that were read three times within ten minutes need no forecast. A build gives way at once when a query comes
 * and is begun again later: a pack that is half built is worth nothing, but no query waits for one. So that builds come to an
 * end where queries leave only short gaps, one that gave way is begun again over half as many bytes, down to one segment, and
 * each that was finished allows twice as many for the next; the small packs of busy times are merged in quiet ones.
 */
import { randomBytes } from 'node:crypto'
import { valueOf } from '../../../model/by-name.js'
import { systemClock } from '../../../model/clock.js'
import { ForebayError } from '../../../model/errors.js'
import { type BaseSegment, type Column, type Pack, type SegmentId, type Snapshot, stableHash } from '../../../model/segment.js'
import type { HotColumns } from '../../../scheduler/read-heat.js'
import { elsewhere, runTask, type TaskDraft } from '../../../scheduler/run-task.js'
import type { EngineParts } from '../engine-parts.js'
import { groupBy } from '../tasks/group-by.js'
import { transformationOf } from '../tasks/transformation-of.js'

/** Some columns of some segments of one dataset that should be packed. */
export interface PackWish {
  readonly dataset: string
  readonly columns: readonly string[]
  readonly segments: readonly SegmentId[]
}

export interface BuildCost {
  readonly cpuMs: number
  readonly wallMs: number
  /** Bytes of the new packs. */
  readonly heldBytes: number
}

/** Milliseconds that reading a compressed byte from a pack saves (measured: 82 against 33 ms over TPC-H). */
const savedMsPerByte = 1 / 250e3
const buildMsMax = 10 * 60_000
const roundEveryMs = 1_000
const failedRestMs = 60_000
/** So many packs of one dataset with the same columns are merged if they fit into one. */
const mergePacksMin = 4
/**
 * A build is our own statement and is known to end: only its checkpoint does not listen to an interrupt. Its node, whose warm
 * blocks the next queries want, is not ended for that.
 */
const giveWayMsMax = 30_000
const source = '__fb_source'

/** What became of one attempt to build a pack. */
type Attempt =
  | { readonly state: 'built'; readonly pack: Pack; readonly cpuMs: number }
  | { readonly state: 'known' }
  | { readonly state: 'gave-way' }

export class PackKeeper {
  readonly #parts: EngineParts
  readonly #untilIdle: (signal: AbortSignal) => Promise<void>
  /** Source bytes of the next pack: as much as got finished lately. */
  #pieceBytes: number
  /** When what could not be built is tried again; monotonic milliseconds by dataset and columns. */
  readonly #notBefore = new Map<string, number>()
  #loop: Promise<void> = Promise.resolve()

  constructor(parts: EngineParts, untilIdle: (signal: AbortSignal) => Promise<void>) {
    this.#parts = parts
    this.#pieceBytes = parts.limits.packSourceBytesMax
    this.#untilIdle = untilIdle
  }

  start(signal: AbortSignal): void {
    const run = async (): Promise<void> => {
      for (;;) {
        await systemClock.sleep(roundEveryMs, signal)
        await this.#untilIdle(signal)
        await this.runOnce(signal).catch((error) => {
          if (!signal.aborted) this.#parts.onError(error)
        })
      }
    }
    this.#loop = run().catch(() => {})
  }

  stopped(): Promise<void> {
    return this.#loop
  }

  /** Drops what is stale, builds what is hot, merges what is small. */
  async runOnce(signal: AbortSignal): Promise<void> {
    await this.#dropStale()
    // Nothing is started for this: without a node, what is hot stays in its files.
    if (this.#parts.pool.ready().length === 0) return
    for (const hot of this.#parts.heat.hot(this.#parts.clock.now())) {
      const key = JSON.stringify([hot.dataset, hot.columns])
      if (performance.now() < (this.#notBefore.get(key) ?? 0)) continue
      const wish = this.#wish(hot)
      try {
        await this.build(wish, signal)
        this.#notBefore.delete(key)
        this.#parts.heat.packed(wish.dataset, wish.columns)
      } catch (error) {
        if (signal.aborted) throw error
        // Too much for its node, or not readable: less of it, later, and others meanwhile.
        this.#notBefore.set(key, performance.now() + failedRestMs)
        this.#pieceBytes /= 2
        this.#parts.onError(error)
      }
    }
    await this.#merge(signal)
  }

  /** Packs what of this is not packed yet. Waits while queries run. */
  async build(wish: PackWish, signal: AbortSignal): Promise<BuildCost> {
    const snapshot = this.#parts.catalog.current(wish.dataset)
    const cost = { cpuMs: 0, wallMs: 0, heldBytes: 0 }
    if (snapshot === undefined) return cost
    const { segments, columns, superseded } = this.#missing(wish, snapshot)
    for (let rest = segments; rest.length > 0; ) {
      const piece = this.#piece(rest, columns)
      const startedAt = performance.now()
      const made = await this.#buildPack(snapshot, columns, piece, signal)
      cost.wallMs += performance.now() - startedAt
      if (made.state === 'gave-way') continue
      rest = rest.slice(piece.length)
      if (made.state === 'known') continue
      cost.cpuMs += made.cpuMs
      cost.heldBytes += made.pack.bytes
    }
    if (segments.length > 0) await this.#parts.packs.drop(superseded.map((pack) => pack.id))
    return cost
  }

  /**
   * What is hot, and what was read along with it. A pack does not serve a read that needs one more column, and is built anew once
   * that one is hot too, so others come along: most often read first, up to as many bytes again, which is what that would cost.
   */
  #wish({ dataset, columns, alongside, segments }: HotColumns): PackWish {
    const wanted = new Set(segments)
    const snapshot = this.#parts.catalog.current(dataset)
    const read = snapshot?.segments.filter((segment) => wanted.has(segment.id)) ?? []
    const packable = packableColumns(snapshot)
    let budget = sourceBytesOf(read, columns)
    const taken = alongside.filter((column) => {
      if (!packable.has(column)) return false
      const bytes = sourceBytesOf(read, [column])
      if (bytes > budget) return false
      budget -= bytes
      return true
    })
    return { dataset, columns: [...columns, ...taken], segments }
  }

  /**
   * A pack serves only reads of whose columns it has all, so a new one takes over the columns and segments of those that it
   * touches, and these go: few packs per dataset.
   */
  #missing(
    wish: PackWish,
    snapshot: Snapshot,
  ): { readonly segments: readonly BaseSegment[]; readonly columns: readonly string[]; readonly superseded: readonly Pack[] } {
    const packable = packableColumns(snapshot)
    const wanted = new Set(wish.segments)
    const wishColumns = wish.columns.filter((column) => packable.has(column))
    const wished = snapshot.segments.filter((segment) => wanted.has(segment.id))
    const { unpacked } = this.#parts.packs.choose(wish.dataset, columnsOf(snapshot, wishColumns), wished)
    if (unpacked.length === 0 || wishColumns.length === 0) return { segments: [], columns: [], superseded: [] }
    const open = new Set(unpacked.map((segment) => segment.id))
    const superseded = this.#parts.packs
      .packs()
      .filter((pack) => pack.dataset === wish.dataset && pack.segments.some((id) => open.has(id)))
    const columns = new Set([
      ...wishColumns,
      ...superseded.flatMap((pack) => pack.columns.filter((column) => packable.has(column))),
    ])
    for (const id of superseded.flatMap((pack) => pack.segments)) open.add(id)
    return { segments: snapshot.segments.filter((segment) => open.has(segment.id)), columns: [...columns].toSorted(), superseded }
  }

  /** The first segments that one build may take; at least one. */
  #piece(segments: readonly BaseSegment[], columns: readonly string[]): readonly BaseSegment[] {
    let bytes = 0
    const end = segments.findIndex((segment, index) => {
      bytes += sourceBytes(segment, columns)
      return index > 0 && bytes > this.#pieceBytes
    })
    return end < 0 ? segments : segments.slice(0, end)
  }

  async #buildPack(
    snapshot: Snapshot,
    columns: readonly string[],
    segments: readonly BaseSegment[],
    signal: AbortSignal,
  ): Promise<Attempt> {
    const { packs, catalog, lineage, limits } = this.#parts
    const ids = segments.map((segment) => segment.id)
    const typed = columnsOf(snapshot, columns).map(({ name, type }) => `${name} ${type}`)
    const id = `p-${stableHash([snapshot.dataset, ...typed, '|', ...ids])}`
    if (packs.get(id) !== undefined) return { state: 'known' }
    const unpin = catalog.pin([snapshot.id])
    lineage.snapshots([snapshot])
    try {
      await this.#untilIdle(signal)
      const bytes = sourceBytesOf(segments, columns)
      const built = await this.#attempt(this.#draft(id, snapshot, columns, segments), signal)
      if (built.state !== 'built') {
        this.#pieceBytes = bytes / 2
        return built
      }
      this.#pieceBytes = Math.min(limits.packSourceBytesMax, Math.max(bytes, this.#pieceBytes) * 2)
      await packs.add(built.pack, bytes * savedMsPerByte)
      this.#parts.prefetched.made(id, built.pack.bytes)
      return built
    } finally {
      unpin()
    }
  }

  async #attempt(task: TaskDraft, signal: AbortSignal): Promise<Attempt> {
    const { admission, pool, dispatcher, quarantine } = this.#parts
    const giveWay = new AbortController()
    const both = AbortSignal.any([signal, giveWay.signal])
    try {
      const release = await admission.enter(
        {
          queryId: task.taskId,
          priority: 'background',
          memoryBytes: 0,
          onPreempt: () => giveWay.abort(new ForebayError('CANCELLED', 'a query came first')),
        },
        both,
      )
      try {
        const ready = await pool.want(1, false, both)
        const outcome = await runTask(task, elsewhere(ready, undefined, dispatcher), {
          queryId: task.queryId,
          dispatcher,
          quarantine,
          priority: 'background',
          signal: both,
          statement: task.queryId,
          readyNodes: (until) => pool.want(1, false, until),
          onAttempt: () => {},
          bury: this.#parts.bury,
          cancelMsMax: giveWayMsMax,
        })
        if (outcome.result.to !== 'pack') throw new ForebayError('INTERNAL', `a pack came back as "${outcome.result.to}"`)
        return { state: 'built', pack: outcome.result.pack, cpuMs: outcome.report.cpuMs }
      } finally {
        release()
      }
    } catch (error) {
      if (giveWay.signal.aborted && !signal.aborted) return { state: 'gave-way' }
      throw error
    }
  }

  #draft(id: string, snapshot: Snapshot, columns: readonly string[], segments: readonly BaseSegment[]): TaskDraft {
    const { catalog, packs, pool } = this.#parts
    const ordinalColumn = freeName('__fb_ordinal', columns)
    const read = columnsOf(snapshot, columns)
    const pack = {
      id,
      path: packs.pathOf(id),
      dataset: snapshot.dataset,
      columns,
      ordinalColumn,
      segments: segments.map((s) => s.id),
    }
    const list = [...read.map((column) => column.name), ordinalColumn].map(quote).join(', ')
    const verify = [...new Set(segments.flatMap((segment) => catalog.checksums?.verificationNeeded(segment, columns) ?? []))]
    return {
      taskId: `${id}-${randomBytes(4).toString('hex')}`,
      queryId: id,
      tenant: 'forebay',
      template: '',
      role: 'leaf',
      sql: `SELECT ${list} FROM ${source}`,
      inputs: [
        {
          kind: 'base',
          relation: source,
          dataset: snapshot.dataset,
          snapshot: snapshot.id,
          columns: read,
          mixedSchemas: snapshot.mixedSchemas,
          partitionColumns: snapshot.partitionColumns.filter((name) => columns.includes(name)),
          parts: [{ from: 'parquet', segments, verify }],
        },
      ],
      output: { to: 'pack', pack: { ...pack, columns: read.map(({ name }) => name), types: read.map(({ type }) => type) } },
      transformation: transformationOf([{ type: 'pack', detail: `${snapshot.dataset}(${columns.join(', ')})` }]),
      threads: 'all',
      timeZone: 'UTC',
      memoryBytes: pool.memoryBytesPerNode,
      deadlineAt: Date.now() + buildMsMax,
      eventKind: 'pack',
    }
  }

  async #merge(signal: AbortSignal): Promise<void> {
    const { packs, catalog } = this.#parts
    for (const group of groupBy(packs.packs(), (pack) => JSON.stringify([pack.dataset, pack.columns, pack.types]))) {
      const [first] = group
      const snapshot = first === undefined ? undefined : catalog.current(first.dataset)
      if (first === undefined || snapshot === undefined || group.length < mergePacksMin) continue
      const small = this.#fitting(group, snapshot)
      if (small.length < mergePacksMin) continue
      const ids = new Set(small.flatMap((pack) => pack.segments))
      const segments = snapshot.segments.filter((segment) => ids.has(segment.id))
      const made = await this.#buildPack(snapshot, first.columns, segments, signal)
      if (made.state === 'built') await packs.drop(small.map((pack) => pack.id))
    }
  }

  /** The smallest of some packs with the same columns that fit into one. */
  #fitting(group: readonly Pack[], snapshot: Snapshot): readonly Pack[] {
    const bytes = new Map(snapshot.segments.map((segment) => [segment.id, sourceBytes(segment, group[0]?.columns ?? [])]))
    const sized = group
      .map((pack) => ({ pack, bytes: pack.segments.reduce((sum, id) => sum + (bytes.get(id) ?? 0), 0) }))
      .toSorted((a, b) => a.bytes - b.bytes)
    let left = this.#parts.limits.packSourceBytesMax
    return sized.filter((each) => (left -= each.bytes) >= 0).map(({ pack }) => pack)
  }

  async #dropStale(): Promise<void> {
    const { packs, catalog } = this.#parts
    const current = new Set(
      [...new Set(packs.packs().map((pack) => pack.dataset))].flatMap(
        (dataset) => catalog.current(dataset)?.segments.map((segment) => segment.id) ?? [],
      ),
    )
    await packs.dropStale((segment) => current.has(segment))
  }
}

/** What each query casts by its own time zone cannot be packed: a pack is for all of them. */
function packableColumns(snapshot: Snapshot | undefined): ReadonlySet<string> {
  const zoned = new Set(snapshot?.segments.flatMap((segment) => segment.zoneCasts ?? []))
  return new Set(snapshot?.columns.flatMap(({ name }) => (zoned.has(name) ? [] : [name])))
}

/** Those of the names, in the order of the snapshot. */
function columnsOf(snapshot: Snapshot, names: readonly string[]): readonly Column[] {
  return snapshot.columns.filter((column) => names.includes(column.name))
}

function sourceBytes(segment: BaseSegment, columns: readonly string[]): number {
  return columns.reduce((sum, column) => sum + (valueOf(segment.columnBytes, column) ?? 0), 0)
}

function sourceBytesOf(segments: readonly BaseSegment[], columns: readonly string[]): number {
  return segments.reduce((sum, segment) => sum + sourceBytes(segment, columns), 0)
}

function freeName(name: string, taken: readonly string[]): string {
  const lower = new Set(taken.map((each) => each.toLowerCase()))
  return lower.has(name) ? freeName(`${name}_`, taken) : name
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
