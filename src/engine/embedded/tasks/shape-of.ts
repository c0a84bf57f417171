import type { Plan, QueryRequest, TreeMode } from '../../../model/query.js'
import type { BaseSegment, SegmentId } from '../../../model/segment.js'
import type { DerivedEntry } from '../../../scheduler/derived-index.js'
import type { TreeQuestion } from '../../../scheduler/tree.js'
import type { EngineParts } from '../engine-parts.js'
import { chooseShape, type Shape } from './choose-shape.js'
import { type Identity, leafWork } from './derived-ids.js'
import type { Tiers } from './tiers.js'
import { bytesOf, segmentsOf } from './work-draft.js'

export interface ShapeChoice {
  readonly shape: Shape
  readonly workKey: string
  readonly cover: { readonly found: readonly DerivedEntry[]; readonly rest: readonly SegmentId[] }
}

/** What of the number of levels is known before a query runs. */
export function treeQuestion({ limits, pool }: EngineParts, mode: TreeMode): Omit<TreeQuestion, 'partials' | 'rows' | 'bytes'> {
  const { fanInMax, aggregateRowsMin } = limits
  return { mode, fanInMax, aggregateRowsMin, mergeBytesMax: pool.memoryBytesPerNode / 8 }
}

/** Whole or split for a plan, with the stored partials that a split would use. */
export function shapeOf(
  parts: EngineParts,
  request: Pick<QueryRequest, 'tree' | 'reuse'>,
  plan: Plan,
  identity: Identity,
  tiers: Tiers,
  nodes: number,
): ShapeChoice {
  const { work } = plan
  const none = { found: [], rest: [] }
  if (work.shape === 'whole') return { shape: { shape: 'whole', why: work.why }, workKey: '', cover: none }
  const read = plan.reads.find((each) => each.relation === work.distributed)
  if (read === undefined) return { shape: { shape: 'whole', why: 'it reads no table' }, workKey: '', cover: none }
  const segments = segmentsOf(read, identity.snapshot(read))
  const kept = segments.map((segment) => segment.id)
  const workKey = leafWork(identity, work.leaf.sql, work.distributed)
  const usable = request.reuse && tiers.trustStored && plan.repeatable
  const cover = usable ? parts.derived.cover(workKey, kept) : { found: [], rest: kept }
  const open = new Set(cover.rest)
  const rest = segments.filter((segment) => open.has(segment.id))
  const { packed, unpacked } = tiers.of(read, rest)
  const sum = (some: readonly BaseSegment[]): number => some.reduce((total, segment) => total + bytesOf(segment, read), 0)
  const total = sum(segments)
  const known = parts.leafMemory.saw(workKey, kept)
  const shape = chooseShape({
    mode: request.tree,
    work,
    nodes,
    bytes: sum(unpacked),
    packedBytes: packed.reduce((bytes, choice) => bytes + sum(choice.segments), 0),
    coveredShare: total === 0 ? 0 : 1 - sum(rest) / total,
    segments: rest.length,
    threads: parts.threads,
    partialRows: known.rows,
    grows: known.grows,
    memoryBytesPerNode: parts.pool.memoryBytesPerNode,
  })
  return { shape, workKey, cover }
}
