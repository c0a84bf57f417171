import type { Plan, QueryRequest } from '../../model/query.js'
import { stableHash } from '../../model/segment.js'
import type { PredictionInput } from '../../predict/prediction.js'
import type { Identity } from './derived-ids.js'
import type { EngineParts } from './engine-parts.js'
import type { Asked } from './predictions.js'
import { bytesOf, segmentsOf } from './work-draft.js'

/** What prediction is asked about a plan. */
export async function askPrediction(
  parts: EngineParts,
  request: QueryRequest,
  plan: Plan,
  identity: Identity,
  workPatienceMs: number,
): Promise<Asked | undefined> {
  return parts.predictions.ask(questionOf(parts, request, plan, identity), workPatienceMs)
}

/** A plan as prediction sees it: what it reads, where that is warm, and what else is under way at this moment. */
export function questionOf(
  parts: EngineParts,
  request: QueryRequest,
  plan: Plan,
  identity: Identity,
): Omit<PredictionInput, 'work'> {
  const { work } = plan
  const operators = work.shape === 'whole' ? work.whole.operators : [work.leaf, work.merge, work.root].flatMap((s) => s.operators)
  const touched = plan.reads.flatMap((read) =>
    segmentsOf(read, identity.snapshot(read)).map((segment) => ({
      id: segment.id,
      dataset: read.dataset,
      bytes: bytesOf(segment, read),
      rows: segment.rows,
      warmOn: parts.warmth.warmOn(segment.id),
      home: parts.homes.home(segment.id),
    })),
  )
  const nodes = parts.pool.ready()
  const byNode = new Map<string, { bytes: number; warmBytes: number }>()
  for (const segment of touched) {
    const node = segment.warmOn[0] ?? segment.home ?? nodes[0] ?? 'n1'
    const share = byNode.get(node) ?? { bytes: 0, warmBytes: 0 }
    share.bytes += segment.bytes
    if (segment.warmOn.includes(node)) share.warmBytes += segment.bytes
    byNode.set(node, share)
  }
  const role = work.shape === 'split' && request.tree === 'always' ? 'leaf' : 'root'
  const placement = [...byNode].map(([node, share]) => ({ node, role, networkBytes: 0, ...share }) as const)
  return {
    at: parts.clock.now(),
    tenant: request.tenant,
    fingerprint: plan.fingerprint,
    literals: literalsHash(plan, request),
    kind: plan.statement.kind === 'select' || plan.statement.kind === 'explain' ? 'read' : 'write',
    operators,
    segments: touched.map(({ home: _home, ...segment }) => segment),
    placement:
      placement.length > 0 ? placement : [{ node: nodes[0] ?? 'n1', role: 'root', bytes: 0, warmBytes: 0, networkBytes: 0 }],
    running: Math.max(0, parts.admission.running),
    queued: parts.admission.waiting,
  }
}

/** Hash of what distinguishes one query of a template from another. */
export function literalsHash(plan: Plan, request: Pick<QueryRequest, 'params'>): string {
  return stableHash([...plan.literals, JSON.stringify(request.params)], 16)
}
