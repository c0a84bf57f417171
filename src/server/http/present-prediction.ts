import type { Plan } from '../../model/query.js'
import { type Estimate, type ResourceName, resourceNames } from '../../model/resources.js'
import type { Prediction } from '../../predict/prediction.js'

/** Segments shown one by one; a prediction over more says how many there are. */
const segmentsMax = 1_000

/** A prediction as `POST /v1/predict` and `POST /v1/explain` show it. */
export function presentPrediction(
  { template, fingerprint }: Pick<Plan, 'template' | 'fingerprint'>,
  prediction: Prediction,
): Record<string, unknown> {
  const { segments, hot, nodes, total, evidence, predictionMs, contention } = prediction
  return {
    template,
    fingerprint,
    segments: segments
      .slice(0, segmentsMax)
      .map(({ id, dataset, bytes, rows, warmOn }, i) => ({ id, dataset, bytes, rows, hot: hot[i] === true, warmOn })),
    segmentsTotal: segments.length,
    nodes: nodes.map(({ node, role, loadScore, cpuMs, memoryBytes, networkBytes }) => ({
      node,
      role,
      loadScore,
      cpuMs: presentEstimate(cpuMs),
      memoryBytes: presentEstimate(memoryBytes),
      networkBytes: presentEstimate(networkBytes),
    })),
    total: presentEstimates(total),
    contention,
    evidence,
    predictionMs,
  }
}

/** One estimate by resource. */
export function presentEstimates(total: Readonly<Record<ResourceName, Estimate>>): Record<string, unknown> {
  return Object.fromEntries(resourceNames.map((name) => [name, presentEstimate(total[name])]))
}

function presentEstimate({ p50, p90, low, high, coverage, abstained }: Estimate): Record<string, unknown> {
  return { p50, p90, low, high, coverage, ...(abstained === true ? { abstained } : {}) }
}
