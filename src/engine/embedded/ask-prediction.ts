import type { NodeId, Role } from '../../model/node.js'
import type { Plan, QueryRequest } from '../../model/query.js'
import { stableHash } from '../../model/segment.js'
import type { PlacedWork, PredictionInput, TouchedSegment } from '../../predict/prediction.js'
import { place } from '../../scheduler/place.js'
import type { EngineParts } from './engine-parts.js'
import type { Asked } from './predictions.js'
import type { Identity } from './tasks/derived-ids.js'
import { bytesOf, segmentsOf } from './tasks/work-draft.js'

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
  const segments = plan.reads.flatMap((read) =>
    segmentsOf(read, identity.snapshot(read)).map((segment) => ({
      id: segment.id,
      dataset: read.dataset,
      bytes: bytesOf(segment, read),
      rows: segment.rows,
      warmOn: parts.warmth.warmOn(segment.id),
    })),
  )
  const placement = work.shape === 'split' && request.tree === 'always' ? leavesOf(parts, segments) : rootsOf(parts, segments)
  return {
    at: parts.clock.now(),
    tenant: request.tenant,
    fingerprint: plan.fingerprint,
    literals: literalsHash(plan, request),
    kind: plan.statement.kind === 'select' || plan.statement.kind === 'explain' ? 'read' : 'write',
    operators,
    segments,
    placement: placement.length > 0 ? placement : [placed(firstNode(parts), 'root', [])],
    running: Math.max(0, parts.admission.running),
    queued: parts.admission.waiting,
  }
}

/** Every node gets its share, as leaves do. */
function leavesOf(parts: EngineParts, segments: readonly TouchedSegment[]): readonly PlacedWork[] {
  const nodes = parts.pool.all().map(({ id }) => id)
  const items = segments.map((segment) => ({ segment, bytes: Math.max(1, segment.bytes), warmOn: nearOf(parts, segment) }))
  return [...place(items, nodes)].map(([node, share]) =>
    placed(
      node,
      'leaf',
      share.map(({ segment }) => segment),
    ),
  )
}

/** Where segments are warm, or were read last. */
function rootsOf(parts: EngineParts, segments: readonly TouchedSegment[]): readonly PlacedWork[] {
  const groups = new Map<NodeId, TouchedSegment[]>()
  for (const segment of segments) {
    const node = nearOf(parts, segment)[0] ?? firstNode(parts)
    const group = groups.get(node) ?? []
    group.push(segment)
    groups.set(node, group)
  }
  return [...groups].map(([node, group]) => placed(node, 'root', group))
}

/** The nodes where reading a segment is cheap. */
function nearOf({ homes }: EngineParts, { id, warmOn }: TouchedSegment): readonly NodeId[] {
  const home = homes.home(id)
  return warmOn.length > 0 || home === undefined ? warmOn : [home]
}

const firstNode = ({ pool }: EngineParts): NodeId => pool.ready()[0] ?? 'n1'

function placed(node: NodeId, role: Role, segments: readonly TouchedSegment[]): PlacedWork {
  const sum = (some: readonly TouchedSegment[]): number => some.reduce((bytes, segment) => bytes + segment.bytes, 0)
  const warm = segments.filter(({ warmOn }) => warmOn.includes(node))
  return { node, role, bytes: sum(segments), warmBytes: sum(warm), networkBytes: 0 }
}

/** Hash of what distinguishes one query of a template from another. */
export function literalsHash(plan: Plan, request: Pick<QueryRequest, 'params'>): string {
  return stableHash([...plan.literals, JSON.stringify(request.params)], 16)
}
