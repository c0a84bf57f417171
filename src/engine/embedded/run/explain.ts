import type { Plan, QueryRequest, Stage } from '../../../model/query.js'
import type { Prediction } from '../../../predict/prediction.js'
import { aggregatorWidths } from '../../../scheduler/tree.js'
import { askPrediction } from '../ask-prediction.js'
import type { EngineParts } from '../engine-parts.js'
import { answerId } from '../tasks/derived-ids.js'
import { identityOf } from '../tasks/plan-identity.js'
import { shapeOf, treeQuestion } from '../tasks/shape-of.js'
import { Tiers } from '../tasks/tiers.js'
import { segmentsOf } from '../tasks/work-draft.js'
import { worthGathering } from '../tasks/worth-gathering.js'

/** What a plan would do, and what that would need: plain data. */
export interface Explanation {
  readonly statement: string
  readonly template: string
  readonly fingerprint: string
  readonly columns: Plan['columns']
  readonly shape: 'whole' | 'split'
  readonly why: string
  readonly reads: readonly {
    readonly dataset: string
    readonly relation: string
    readonly snapshot: string
    readonly columns: readonly string[]
    readonly segmentsKept: number
    readonly segmentsPruned: number
    readonly prunedBy: readonly string[]
    readonly tiers: { readonly pack: number; readonly parquet: number; readonly reused: number }
    readonly packs: readonly string[]
  }[]
  readonly tree: readonly { readonly role: string; readonly tasks: number }[]
  readonly tasks: readonly { readonly role: string; readonly sql: string; readonly operators: Stage['operators'] }[]
  readonly answerStored: boolean
  readonly repeatable: boolean
  readonly prediction?: Prediction
}

/** Explains a plan without running it. */
export async function explainPlan(
  parts: EngineParts,
  request: Pick<QueryRequest, 'tree' | 'reuse' | 'tenant' | 'timeZone' | 'params'> & QueryRequest,
  plan: Plan,
): Promise<Explanation> {
  const identity = identityOf(parts, request.timeZone, plan)
  const { work } = plan
  const nodes = parts.pool.all().length
  const tiers = new Tiers(parts, true)
  const { shape, workKey, cover } = shapeOf(parts, request, plan, identity, tiers, nodes)
  const asked = await askPrediction(parts, request, plan, identity, 500)
  const split = shape.shape === 'split' && work.shape === 'split'
  const distributed = plan.reads.find((read) => split && read.relation === work.distributed)
  const leaves = split ? Math.min(nodes, cover.rest.length) : 0
  const gathered = leaves > 0 ? worthGathering(cover.found, request.tree, parts.pool.memoryBytesPerNode).length : 0
  const partials = leaves + cover.found.length - Math.max(0, gathered - 1)
  // How many rows partials have is known when the statement has run once; how many bytes, only while it runs.
  const rows = partials * (parts.leafMemory.peek(workKey).rows ?? 0)
  const widths = split ? aggregatorWidths({ ...treeQuestion(parts, request.tree), partials, rows, bytes: 0 }) : []
  const answer = answerId(identity, '')
  return {
    statement: plan.statement.kind,
    template: plan.template,
    fingerprint: plan.fingerprint,
    columns: plan.columns,
    shape: shape.shape,
    why: shape.why,
    reads: plan.reads.map((read) => {
      const kept = segmentsOf(read, identity.snapshot(read))
      const open = read === distributed ? new Set(cover.rest) : undefined
      const toRead = kept.filter((segment) => open === undefined || open.has(segment.id))
      const names = read.columns.map((column) => column.name)
      const { packed, unpacked } = tiers.of(read, toRead)
      return {
        dataset: read.dataset,
        relation: read.relation,
        snapshot: read.snapshot,
        columns: names,
        segmentsKept: kept.length,
        segmentsPruned: read.segmentsTotal - kept.length,
        prunedBy: read.prunedBy,
        tiers: { pack: toRead.length - unpacked.length, parquet: unpacked.length, reused: kept.length - toRead.length },
        packs: packed.map((choice) => choice.pack.id),
      }
    }),
    tree: [
      ...(leaves > 0 ? [{ role: 'leaf', tasks: leaves }] : []),
      ...(gathered > 0 ? [{ role: 'aggregator', tasks: 1 }] : []),
      ...widths.map((width) => ({ role: 'aggregator', tasks: width })),
      { role: 'root', tasks: 1 },
    ],
    tasks: split
      ? [stageOf('leaf', work.leaf), stageOf('aggregator', work.merge), stageOf('root', work.root)]
      : [stageOf('root', work.whole)],
    answerStored: plan.repeatable && (parts.derived.has(answer) || parts.answers.has(answer)),
    repeatable: plan.repeatable,
    ...(asked === undefined ? {} : { prediction: asked.prediction }),
  }
}

/** The same as rows of `EXPLAIN`. */
export function explainRows(explanation: Explanation): readonly (readonly [string, string])[] {
  const { reads, tree, tasks, prediction } = explanation
  const milliseconds = prediction?.total.wallMs.p50
  return [
    ['shape', `${explanation.shape}: ${explanation.why}`],
    ['tree', tree.map((level) => `${level.tasks} ${level.role}`).join(' → ')],
    ...reads.map((read): readonly [string, string] => [
      `read ${read.dataset}`,
      `${read.segmentsKept} segments kept, ${read.segmentsPruned} pruned${read.prunedBy.length > 0 ? ` by ${read.prunedBy.join(', ')}` : ''}; ` +
        `${read.tiers.pack} from packs, ${read.tiers.parquet} from parquet, ${read.tiers.reused} stored; columns ${read.columns.join(', ')}`,
    ]),
    ...tasks.map((task): readonly [string, string] => [`${task.role} sql`, task.sql]),
    ['answer stored', String(explanation.answerStored)],
    ...(milliseconds === undefined ? [] : [['predicted wall time', `${milliseconds.toFixed(1)} ms`] as const]),
  ]
}

function stageOf(role: string, stage: Stage): Explanation['tasks'][number] {
  return { role, sql: stage.sql, operators: stage.operators }
}
