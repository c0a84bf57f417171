import { complexity } from './complexity.js'
import type { HistoryKeys } from './cost-history.js'
import type { PredictionInput, TouchedSegment } from './prediction.js'

/** A prediction input as the models see it. Computed once and kept until the outcome, so that both see the same numbers. */
export interface Question {
  readonly keys: HistoryKeys
  readonly template: string
  /** Log-space regressors, see `features`. */
  readonly features: readonly number[]
  /** Queries in flight, log1p. */
  readonly load: number
}

/** Length of `features`. */
export const featureCount = 9
const megabyte = 1e6

export function question(input: PredictionInput): Question {
  const template = input.fingerprint
  const tenantTemplate = `${input.tenant} ${template}`
  return {
    keys: { template, tenantTemplate, exact: `${template} ${input.literals} ${hashOfIds(input)}` },
    template,
    features: features(input),
    load: Math.log1p(input.running + input.queued),
  }
}

/** Bytes and rows touched, warm share, complexity, width of the plan, load: what costs depend on, each in logs or as a share. */
function features(input: PredictionInput): readonly number[] {
  const bytes = touchedBytes(input)
  const rows = input.segments.reduce((sum, segment) => sum + segment.rows, 0)
  const nodes = new Set(input.placement.map((placed) => placed.node)).size
  return [
    1,
    Math.log1p(bytes / megabyte),
    Math.log1p(rows / 1000),
    warmShare(input),
    Math.log(complexity(input.operators)),
    Math.log1p(input.segments.length),
    Math.log1p(nodes),
    Math.log1p(input.placement.reduce((sum, placed) => sum + placed.networkBytes, 0) / megabyte),
    input.kind === 'write' ? 1 : 0,
  ]
}

/** Bytes of all touched segments. */
export function touchedBytes(input: PredictionInput): number {
  return input.segments.reduce((sum, segment) => sum + segment.bytes, 0)
}

/** Names of the datasets that the touched segments belong to. */
export function datasetsOf({ segments }: PredictionInput): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { dataset } of segments) names.add(dataset)
  return names
}

/** Share of the bytes that is warm where it will be read; by segments where nothing is placed yet. */
export function warmShare(input: PredictionInput): number {
  const placed = input.placement.reduce((sum, work) => sum + work.bytes, 0)
  if (placed > 0) return input.placement.reduce((sum, work) => sum + work.warmBytes, 0) / placed
  const bytes = touchedBytes(input)
  const warm = input.segments.reduce((sum, segment) => sum + (segment.warmOn.length > 0 ? segment.bytes : 0), 0)
  return bytes === 0 ? 0 : warm / bytes
}

/** FNV-1a over 53 bits in two halves: keys of a cache need no cryptography, but predictions are asked for all the time. */
function hashOfIds({ segments }: PredictionInput): string {
  let low = 0x811c9dc5
  let high = 0x9e3779b9
  for (let place = 0; place < segments.length; place++) {
    const { id } = segments[place] as TouchedSegment
    // A comma stands between two ids.
    for (let i = place === 0 ? 0 : -1; i < id.length; i++) {
      const code = i < 0 ? 44 : id.charCodeAt(i)
      low = Math.imul(low ^ code, 0x01000193)
      high = Math.imul(high ^ code, 0x85ebca6b) ^ (high >>> 13)
    }
  }
  return `${(low >>> 0).toString(36)}${(high >>> 0).toString(36)}`
}
