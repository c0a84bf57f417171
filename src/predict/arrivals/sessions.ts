import type { Forecast } from '../../model/forecast.js'
import { stableHash } from '../../model/segment.js'
import { BoundedMap } from '../bounded-map.js'
import type { Arrival } from '../prediction.js'
import { NextQueryModel, type NextQuerySnapshot } from './next-query.js'
import { speaksFrom } from './standing.js'

/** How often a tenant asks a template, and how often a session goes on after it. */
interface Habitude {
  readonly since: number
  readonly arrivals: number
  readonly continued: number
  readonly ended: number
}

/** The last query of a tenant's session. */
interface Session {
  readonly template: string
  readonly at: number
}

export interface SessionsSnapshot {
  readonly open: readonly (readonly [string, Session])[]
  readonly next: NextQuerySnapshot
  /** Typical time between two queries of a session, by tenant and template of the second, in logs. */
  readonly pauses: readonly (readonly [string, number])[]
  readonly asked: readonly (readonly [string, Habitude])[]
}

type TextOf = (tenant: string, template: string, at: number) => Pick<Forecast, 'sql' | 'params' | 'timeZone'> | undefined

/** A longer pause ends a session. */
const sessionMs = 30 * 60_000
const tenantsMax = 5000

/** Sequences within sessions: what a tenant usually asks next, said only where such statements have come true. */
export class Sessions {
  readonly #open = new BoundedMap<Session>(tenantsMax)
  readonly #pauses = new BoundedMap<number>(tenantsMax)
  readonly #asked = new BoundedMap<Habitude>(tenantsMax)
  readonly #next = new NextQueryModel()
  readonly #textOf: TextOf

  constructor(textOf: TextOf) {
    this.#textOf = textOf
  }

  observe({ tenant, fingerprint, at }: Arrival): void {
    const open = this.#open.peek(tenant)
    // What is older than the session comes from a log that is learned meanwhile, and follows nothing.
    const before = open !== undefined && open.at <= at ? open : undefined
    const continues = before !== undefined && at - before.at < sessionMs
    if (before !== undefined) this.#count(`${tenant} ${before.template}`, before.at, continues ? 'continued' : 'ended')
    if (before !== undefined && !continues) this.#next.ended(tenant, before.template)
    if (before !== undefined && continues) {
      this.#next.observe(tenant, before.template, fingerprint)
      const key = `${tenant} ${fingerprint}`
      const pause = Math.log(Math.max(1, at - before.at))
      const usual = this.#pauses.peek(key) ?? pause
      this.#pauses.set(key, usual + 0.2 * (pause - usual))
    }
    this.#count(`${tenant} ${fingerprint}`, at, 'arrivals')
    this.#open.set(tenant, { template: fingerprint, at })
  }

  #count(key: string, at: number, what: 'arrivals' | 'continued' | 'ended'): void {
    const old = this.#asked.peek(key) ?? { since: at, arrivals: 0, continued: 0, ended: 0 }
    this.#asked.set(key, { ...old, since: Math.min(old.since, at), [what]: old[what] + 1 })
  }

  forecast(now: number, horizonMs: number): readonly Forecast[] {
    return [...this.#open.entries()].flatMap(([tenant, session]) => this.#expect(tenant, session, now, horizonMs))
  }

  #expect(tenant: string, session: Session, now: number, horizonMs: number): readonly Forecast[] {
    if (session.at + sessionMs < now) return []
    const next = this.#next.next(tenant, session.template)
    if (next === undefined || !next.speaks) return []
    const pause = Math.exp(this.#pauses.peek(`${tenant} ${next.key}`) ?? Math.log(60_000))
    const at = Math.round(session.at + pause)
    const until = Math.min(session.at + sessionMs, Math.round(session.at + 4 * pause + 10_000))
    const text = this.#textOf(tenant, next.key, at)
    const probability = next.probability * this.#continues(`${tenant} ${session.template}`)
    if (until < now || at > now + horizonMs || text === undefined || probability < speaksFrom) return []
    if (this.#byChance(`${tenant} ${next.key}`, now, until - session.at) > 0.5 * probability) return []
    return [
      {
        id: `f-${stableHash([tenant, next.key, session.template, String(session.at)], 16)}`,
        tenant,
        template: next.key,
        ...text,
        at,
        from: session.at,
        until,
        probability,
        source: 'sequence',
        why: `usually follows what tenant ${tenant} asked last: ${Math.round(100 * next.probability)} % of such statements came true`,
      },
    ]
  }

  #continues(key: string): number {
    const { continued, ended } = this.#asked.peek(key) ?? { continued: 0, ended: 0 }
    return (continued + 1) / (continued + ended + 2)
  }

  /** Probability that the template comes within `span` at its usual rate, whatever was asked before. */
  #byChance(key: string, now: number, span: number): number {
    const { since, arrivals } = this.#asked.peek(key) ?? { since: now, arrivals: 0 }
    return 1 - Math.exp((-arrivals * span) / Math.max(span, now - since))
  }

  snapshot(): SessionsSnapshot {
    return {
      open: this.#open.snapshot((session) => session),
      next: this.#next.snapshot(),
      pauses: this.#pauses.snapshot((pause) => pause),
      asked: this.#asked.snapshot((asked) => asked),
    }
  }

  restore(snapshot: SessionsSnapshot): void {
    this.#open.restore(snapshot.open, (session) => session)
    this.#next.restore(snapshot.next)
    this.#pauses.restore(snapshot.pauses, (pause) => pause)
    this.#asked.restore(snapshot.asked, (asked) => asked)
  }
}
