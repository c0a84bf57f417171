import { NextQueryModel } from '../arrivals/next-query.js'
import type { LoggedQuery } from '../log-line.js'
import { rounded } from './score.js'

/** How often the model was right when it spoke, how often it spoke, and how often it would be right if it always spoke. */
export interface NextScores {
  readonly precision: number | null
  readonly coverage: number | null
  readonly alwaysPrecision: number | null
}
export interface NextQueryReport {
  readonly template: NextScores
  readonly exact: NextScores
}

const sessionMs = 30 * 60_000

class Replay {
  readonly #model = new NextQueryModel()
  #asked = 0
  #spoken = 0
  #right = 0
  #rightAlways = 0

  add(tenant: string, before: string, key: string): void {
    const next = this.#model.next(tenant, before)
    this.#asked++
    if (next?.key === key) this.#rightAlways++
    if (next?.speaks === true) {
      this.#spoken++
      if (next.key === key) this.#right++
    }
    this.#model.observe(tenant, before, key)
  }

  ended(tenant: string, before: string): void {
    this.#model.ended(tenant, before)
  }

  scores(): NextScores {
    const share = (part: number, whole: number): number | null => (whole === 0 ? null : rounded(part / whole))
    return {
      precision: share(this.#right, this.#spoken),
      coverage: share(this.#spoken, this.#asked),
      alwaysPrecision: share(this.#rightAlways, this.#asked),
    }
  }
}

/** Replays sessions: what comes next within half an hour, by template and exactly. */
export class NextQueryReplay {
  readonly #template = new Replay()
  readonly #exact = new Replay()
  readonly #last = new Map<string, { readonly at: number; readonly template: string; readonly exact: string }>()

  add({ tenant, at, template, args }: LoggedQuery): void {
    const exact = `${template} ${args}`
    const last = this.#last.get(tenant)
    if (last !== undefined && at - last.at < sessionMs) {
      this.#template.add(tenant, last.template, template)
      this.#exact.add(tenant, last.exact, exact)
    } else if (last !== undefined) {
      this.#template.ended(tenant, last.template)
      this.#exact.ended(tenant, last.exact)
    }
    this.#last.set(tenant, { at, template, exact })
  }

  finish(): NextQueryReport {
    return { template: this.#template.scores(), exact: this.#exact.scores() }
  }
}
