import type { Forecast } from '../model/forecast.js'
import { BoundedMap } from '../predict/bounded-map.js'

/** About so many of the last forecasts count: enough to tell, few enough to notice a change. */
const remembered = 50
/** A source is believed to the word at first, as if so many of its forecasts had come true as said. */
const trusted = 4
/** Share of stored answers that do not fit, before any was seen, and how many sightings that, or all templates' share, is worth. */
const missSharePrior = 0.3
const missTrusted = 2
const templatesMax = 5000

interface Count {
  readonly said: number
  readonly came: number
}

export interface TrackRecordSnapshot {
  readonly sources: readonly (readonly [Forecast['source'], Count])[]
  readonly misses: Count
  /** Misses by tenant and template; absent in what older versions kept. */
  readonly missesOf?: readonly (readonly [string, Count])[]
}

/**
 * What became of what was said. Forecasts that say 80 % and come true each time are worth more than they claim, and those that
 * come half as often are worth half. What an action is expected to bring is put right by that, so that the ledger's expected
 * and measured sums agree.
 */
export class TrackRecord {
  readonly #sources = new Map<Forecast['source'], Count>()
  #misses: Count = { said: 0, came: 0 }
  readonly #missesOf = new BoundedMap<Count>(templatesMax)

  /** A forecast is over: a query met it, or its window passed. */
  ended({ source, probability }: Forecast, met: boolean): void {
    this.#sources.set(source, counted(this.#sources.get(source), probability, met))
  }

  /** A query of a tenant's template came for which an answer had been computed ahead. */
  answered(key: string, fromStore: boolean): void {
    this.#misses = counted(this.#misses, 1, !fromStore)
    this.#missesOf.set(key, counted(this.#missesOf.peek(key), 1, !fromStore))
  }

  /** The forecast's probability, corrected by how its source has done, 0–1. */
  probability({ source, probability }: Forecast): number {
    const { said, came } = this.#sources.get(source) ?? { said: 0, came: 0 }
    return Math.min(1, (probability * (came + trusted)) / (said + trusted))
  }

  /**
   * Share of a template's arrivals whose stored answer did not fit, because arguments or data were others than expected, 0–1. One
   * that comes with another argument each time says nothing of a dashboard that does not.
   */
  missShare(key: string): number {
    const all = share(this.#misses, missSharePrior)
    return share(this.#missesOf.peek(key) ?? { said: 0, came: 0 }, all)
  }

  snapshot(): TrackRecordSnapshot {
    return { sources: [...this.#sources], misses: this.#misses, missesOf: this.#missesOf.snapshot((count) => count) }
  }

  restore({ sources, misses, missesOf = [] }: TrackRecordSnapshot): void {
    for (const [source, count] of sources) this.#sources.set(source, count)
    this.#misses = misses
    this.#missesOf.restore(missesOf, (count) => count)
  }
}

function share({ said, came }: Count, prior: number): number {
  return (came + prior * missTrusted) / (said + missTrusted)
}

function counted(known: Count | undefined, said: number, came: boolean): Count {
  const keep = 1 - 1 / remembered
  return { said: (known?.said ?? 0) * keep + said, came: (known?.came ?? 0) * keep + (came ? 1 : 0) }
}
