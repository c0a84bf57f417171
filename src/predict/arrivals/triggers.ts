import type { Forecast } from '../../model/forecast.js'
import { stableHash } from '../../model/segment.js'
import { BoundedMap } from '../bounded-map.js'
import type { Arrival } from '../prediction.js'
import { SlidingQuantiles } from '../sliding-quantiles.js'

/** How one template follows the writes of one dataset. */
interface Link {
  readonly tenant: string
  readonly template: string
  readonly dataset: string
  /** Writes since the link was seen first, decayed, and how many of them it followed. */
  writes: number
  followed: number
  /** Writes in a row that it did not follow. */
  missed: number
  /** The last write that has not been answered yet, and all arrivals since the link was seen first, for the base rate. */
  open: number | undefined
  readonly since: number
  arrivals: number
  readonly delays: SlidingQuantiles
}

type LinkSnapshot = Omit<Link, 'delays' | 'open'> & { readonly open?: number; readonly delays: readonly number[] }

export interface TriggersSnapshot {
  readonly links: readonly (readonly [string, LinkSnapshot])[]
  readonly written: readonly (readonly [string, number])[]
}

type TextOf = (tenant: string, template: string, at: number) => Pick<Forecast, 'sql' | 'params' | 'timeZone'> | undefined

const linksMax = 4000
const patienceMs = 24 * 3_600_000
const decay = 0.9
const missesMax = 3
const followedMin = 3
const shareMin = 0.5

/**
 * Lineage triggers: a dataset is written, and after a learned delay its readers come. A template counts as triggered when it
 * followed at least half of the writes within a narrow span of time in which, at its usual rate, it would rarely come by chance.
 */
export class Triggers {
  readonly #links = new BoundedMap<Link>(linksMax)
  readonly #written = new BoundedMap<number>(linksMax)
  readonly #textOf: TextOf

  constructor(textOf: TextOf) {
    this.#textOf = textOf
  }

  written(dataset: string, at: number): void {
    this.#written.set(dataset, at)
    for (const link of this.#links.values()) {
      if (link.dataset !== dataset) continue
      if (link.open !== undefined) link.missed++
      link.writes = link.writes * decay + 1
      link.followed *= decay
      link.open = at
    }
  }

  observe(arrival: Arrival): void {
    for (const dataset of new Set(arrival.datasets)) {
      const writtenAt = this.#written.peek(dataset)
      // What came before the last write says nothing of it: an old log is learned.
      if (writtenAt === undefined || arrival.at < writtenAt) continue
      const link = this.#links.touch(`${arrival.tenant} ${arrival.fingerprint} ${dataset}`, () =>
        newLink(arrival, dataset, writtenAt),
      )
      link.arrivals++
      if (link.open === undefined || arrival.at - link.open > patienceMs) continue
      link.delays.add(arrival.at - link.open)
      link.followed++
      link.missed = 0
      link.open = undefined
    }
  }

  forecast(now: number, horizonMs: number): readonly Forecast[] {
    return [...this.#links.values()].flatMap((link) => this.#expect(link, now, horizonMs))
  }

  #expect(link: Link, now: number, horizonMs: number): readonly Forecast[] {
    const { open, tenant, template, dataset } = link
    if (open === undefined || link.delays.count < followedMin || link.missed >= missesMax) return []
    const share = link.followed / Math.max(1, link.writes)
    const [early, middle, late] = [0.05, 0.5, 0.95].map((p) => link.delays.quantile(p) as number) as [number, number, number]
    const span = late - early + 0.1 * middle + 10_000
    const at = Math.round(open + middle)
    const until = Math.round(open + late + 0.1 * middle + 10_000)
    if (share < shareMin || until < now || at > now + horizonMs || byChance(link, span, open) > 0.5 * share) return []
    const text = this.#textOf(tenant, template, at)
    if (text === undefined) return []
    const probability = Math.min(1, share) * 0.7 ** link.missed
    return [
      {
        id: `f-${stableHash([tenant, template, dataset, String(open)], 16)}`,
        tenant,
        template,
        ...text,
        at,
        from: Math.round(open + early * 0.9),
        until,
        probability,
        source: 'trigger',
        why: `came ${seconds(middle)} after ${dataset} was written, after ${Math.round(share * 100)} % of the last writes`,
      },
    ]
  }

  snapshot(): TriggersSnapshot {
    return {
      links: this.#links.snapshot(({ open, delays, ...link }) => ({
        ...link,
        ...(open === undefined ? {} : { open }),
        delays: delays.snapshot(),
      })),
      written: this.#written.snapshot((at) => at),
    }
  }

  restore(snapshot: TriggersSnapshot): void {
    this.#written.restore(snapshot.written, (at) => at)
    this.#links.restore(snapshot.links, (json) => {
      const delays = new SlidingQuantiles(20)
      delays.restore(json.delays)
      return { ...json, open: json.open, delays }
    })
  }
}

/** The first arrival after a write already is one that followed. */
function newLink({ tenant, fingerprint, at }: Arrival, dataset: string, writtenAt: number): Link {
  const delays = new SlidingQuantiles(20)
  return {
    tenant,
    template: fingerprint,
    dataset,
    writes: 1,
    followed: 0,
    missed: 0,
    open: writtenAt,
    since: at,
    arrivals: 0,
    delays,
  }
}

/** Probability of an arrival within `span` at the template's usual rate. */
function byChance({ arrivals, since }: Link, span: number, now: number): number {
  const lived = Math.max(1, now - since)
  return 1 - Math.exp((-arrivals * span) / lived)
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`
}
