import type { LoggedQuery } from '../../src/predict/log-line.js'
import { seeded } from './seeded.js'

export interface SessionsOptions {
  readonly users: number
  readonly sessions: number
  readonly seed: number
  /** Every next query drawn alike from all templates: nothing that a rule could learn. */
  readonly random?: boolean
}

type Random = () => number

/** What follows a template, with the share of times that it does; the rest goes anywhere. */
type Chain = ReadonlyMap<number, { readonly next: number; readonly share: number }>

const templates = 24
/** Share of steps that a user takes outside of every chain. */
const noise = 0.06
/** Of users that work in their own way, and of steps that are habits nearly everyone keeps. */
const ownWay = 0.3
const firmSteps = 0.55
const stepsMin = 3
const stepsMax = 12
const secondMs = 1000
const hourMs = 3600 * secondMs
const beginning = Date.UTC(2026, 1, 9)

/** Users who walk a Markov chain of templates, with breaks longer than a session between walks. The same seed gives the same log. */
export function generateSessions({ users, sessions, seed, random: alike = false }: SessionsOptions): readonly LoggedQuery[] {
  const random = seeded(seed)
  const shared = chainOf(random)
  const lines: LoggedQuery[] = []
  for (let user = 0; user < users; user++) {
    const chain = random() < ownWay ? chainOf(random) : shared
    let at = beginning + hourMs * random()
    for (let session = 0; session < sessions; session++) {
      at += hourMs * (1 + 20 * random())
      let template = between(0, templates, random)
      for (let left = between(stepsMin, stepsMax, random); left > 0; left--) {
        lines.push(lineOf(`u${user}`, template, Math.round(at)))
        at += secondMs * (5 + 300 * random() ** 3)
        template = alike ? between(0, templates, random) : stepFrom(chain, template, random)
      }
    }
  }
  return lines.sort((a, b) => a.at - b.at)
}

function stepFrom(chain: Chain, template: number, random: Random): number {
  const step = chain.get(template)
  const follows = step !== undefined && random() >= noise && random() < step.share
  return follows ? step.next : between(0, templates, random)
}

function chainOf(random: Random): Chain {
  return new Map(
    Array.from({ length: templates }, (_, template) => {
      const share = random() < firmSteps ? 0.9 + 0.1 * random() : 0.2 + 0.5 * random()
      return [template, { next: between(0, templates, random), share }]
    }),
  )
}

function lineOf(tenant: string, template: number, at: number): LoggedQuery {
  return { line: 'query', at, tenant, template: `q${template}`, args: '[]', kind: 'read', reads: [], queuedMs: 0 }
}

/** A whole number, `from` ≤ n < `until`. */
function between(from: number, until: number, random: Random): number {
  return from + Math.floor((until - from) * random())
}
