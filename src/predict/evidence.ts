import type { PredictionInput } from './prediction.js'
import { datasetsOf, touchedBytes, warmShare } from './question.js'

/** What the sentences are made of. */
export interface EvidenceFacts {
  readonly input: PredictionInput
  /** Earlier runs of exactly this query on these segment versions; of the template by the tenant; of the template. */
  readonly runs: { readonly exact: number; readonly tenantTemplate: number; readonly template: number }
  /** Typical CPU of the most particular of them. */
  readonly usualCpuMs: number | undefined
  readonly nodes: readonly {
    readonly node: string
    readonly score: number
    readonly base: number
    readonly factor: number
    readonly segments: number
  }[]
  readonly hot: number
  readonly contention: number
  readonly weights: Readonly<Record<string, number>>
  readonly coverage: number
  readonly measured: number
}

/** What a prediction was made from, in sentences with the numbers, most telling first. */
export function evidence(facts: EvidenceFacts): readonly string[] {
  return [historySentence(facts), ...nodeSentences(facts), dataSentence(facts), loadSentence(facts), trustSentence(facts)].filter(
    (sentence) => sentence !== '',
  )
}

function historySentence({ runs, usualCpuMs, input }: EvidenceFacts): string {
  const usual = usualCpuMs === undefined ? '' : `, typically for ${round(usualCpuMs)} ms of CPU`
  if (runs.exact > 0) return `this query ran ${times(runs.exact)} on the same segment versions${usual}`
  if (runs.tenantTemplate > 0) return `its template ran ${times(runs.tenantTemplate)} for tenant ${input.tenant}${usual}`
  if (runs.template > 0) return `its template ran ${times(runs.template)} for other tenants${usual}`
  return 'its template never ran before: the estimate rests on the data it touches and on its operators'
}

function nodeSentences({ nodes }: EvidenceFacts): readonly string[] {
  return nodes.slice(0, 8).map(({ node, score, base, factor, segments }) => {
    if (segments === 0) return `${node} never worked on its hot segments: load score 0, CPU need = ${round(base)} ms`
    const line = `${round(base)} + ${round(score)} × ${round(factor)} ms`
    return `${node} worked on ${segments} of its hot segments: load score ${round(score)}, CPU need = ${line}`
  })
}

function dataSentence({ input, hot }: EvidenceFacts): string {
  if (input.segments.length === 0) return 'it reads no segments'
  const names = [...datasetsOf(input)].slice(0, 4).join(', ')
  const bytes = round(touchedBytes(input) / 1e6)
  const warm = Math.round(100 * warmShare(input))
  return `it reads ${bytes} MB in ${input.segments.length} segments of ${names}: ${hot} hot, ${warm} % of the bytes warm`
}

function loadSentence({ input, contention }: EvidenceFacts): string {
  const inFlight = input.running + input.queued
  return inFlight === 0 ? '' : `${inFlight} other queries in flight stretch its wall time by a factor of ${round(contention)}`
}

function trustSentence({ weights, coverage, measured }: EvidenceFacts): string {
  const mix = Object.entries(weights)
    .filter(([, weight]) => weight >= 0.05)
    .sort(([, a], [, b]) => b - a)
    .map(([name, weight]) => `${expertNames[name] ?? name} ${Math.round(100 * weight)} %`)
  const mixed = mix.length === 0 ? '' : `CPU weighs ${mix.join(', ')} by recent error`
  const held =
    measured === 0 ? 'no interval was measured yet' : `${Math.round(100 * coverage)} % of the last ${measured} intervals held`
  return mixed === '' ? held : `${mixed}; ${held}`
}

const expertNames: Readonly<Record<string, string>> = {
  prior: 'lineage',
  exact: 'exact repeats',
  tenantTemplate: 'tenant and template',
  template: 'template',
  ridge: 'regression',
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

/** Three significant digits, without an exponent for everyday sizes. */
function round(value: number): string {
  return String(Number(value.toPrecision(3)))
}
