import type { ActionCost, Actuator, ExpectedQuery, MissingPack, Readiness } from '../../allocate/actions.js'
import { ForebayError } from '../../model/errors.js'
import type { NodeId, NodeStatus } from '../../model/node.js'
import type { Plan, QueryRequest } from '../../model/query.js'
import { type PackId, stableHash } from '../../model/segment.js'
import { untilAborted } from '../../model/until-aborted.js'
import { askPrediction } from './ask-prediction.js'
import type { EngineParts } from './engine-parts.js'
import type { PackKeeper } from './kept/pack-keeper.js'
import type { NodeReplies } from './nodes/node-replies.js'
import type { QueryExecution } from './query-execution.js'
import { confirmedPlan } from './run/run-rounds.js'
import { answerId, type Identity } from './tasks/derived-ids.js'
import { identityOf, keptIds } from './tasks/plan-identity.js'
import { bytesOf, segmentsOf } from './tasks/work-draft.js'

export interface ActuatorHooks {
  readonly busy: () => boolean
  /** Runs a query as the engine's own work. */
  readonly runAhead: (request: QueryRequest) => QueryExecution
  readonly untilIdle: (signal: AbortSignal) => Promise<void>
}

/** Time of a query from Parquet and from warm packs, before anything was measured. */
const parquetBytesPerMs = 150e3
const warmShare = 0.4
/** Measured: a stored answer is encoded by a node in about 2 ms, and found in memory in less than 1 ms. */
const storedMs = 2
const memoryPriorBytes = 64e6
const aheadMsMax = 10 * 60_000

/** What the proactive loop does to this engine. */
export class EngineActuator implements Actuator {
  readonly #parts: EngineParts
  readonly #packs: PackKeeper
  readonly #replies: NodeReplies
  readonly #hooks: ActuatorHooks

  constructor(parts: EngineParts, packs: PackKeeper, replies: NodeReplies, hooks: ActuatorHooks) {
    this.#parts = parts
    this.#packs = packs
    this.#replies = replies
    this.#hooks = hooks
  }

  nodes(): readonly NodeStatus[] {
    return this.#parts.pool.all()
  }

  busy(): boolean {
    return this.#hooks.busy()
  }

  async readiness(query: ExpectedQuery, signal: AbortSignal): Promise<Readiness> {
    const parts = this.#parts
    const request = requestOf(query)
    const plan = await confirmedPlan(parts, request, signal)
    const identity = identityOf(parts, request.timeZone, plan)
    const segments = keptIds(plan, identity)
    const asked = await askPrediction(parts, request, plan, identity, 200)
    const scores = parts.predictions.loadScores(asked?.input.work ?? [])
    const { reads, bytes } = this.#tiers(plan, identity)
    const total = asked?.prediction.total
    const coldMs = total === undefined || total.wallMs.abstained === true ? bytes / parquetBytesPerMs + 5 : total.wallMs.p50
    const answer = answerId(identity, '')
    return {
      fingerprint: plan.fingerprint,
      version: stableHash(segments),
      answerStored: plan.repeatable && (parts.derived.has(answer) || parts.answers.has(answer)),
      repeatable: plan.repeatable && plan.statement.kind === 'select',
      datasets: [...new Set(plan.reads.map((read) => read.dataset))],
      segments,
      bytes,
      nodes: [...scores].map(([node, loadScore]) => ({ node, loadScore })).toSorted((a, b) => b.loadScore - a.loadScore),
      absentNodes: this.#absent(),
      missingPacks: reads.flatMap((read) => read.missing),
      coldPacks: reads.flatMap((read) => read.cold),
      coldMs,
      warmMs: Math.min(coldMs, coldMs * warmShare + 1),
      storedMs,
      cpuMs: total?.cpuMs.p50 ?? bytes / parquetBytesPerMs,
      memoryBytes: total?.memoryBytes.p90 ?? memoryPriorBytes,
    }
  }

  async startNode(node: NodeId, memoryBytes: number, signal: AbortSignal): Promise<ActionCost> {
    const startedAt = performance.now()
    await this.#parts.pool.start(node, memoryBytes, signal)
    const wallMs = performance.now() - startedAt
    const status = this.nodes().find((each) => each.id === node)
    return { cpuMs: (status?.cpuSeconds ?? 0) * 1000 || wallMs / 2, wallMs, heldBytes: memoryBytes }
  }

  stopNode(node: NodeId, signal: AbortSignal): Promise<void> {
    return this.#parts.pool.stop(node, signal)
  }

  buildPack(pack: MissingPack, signal: AbortSignal): Promise<ActionCost> {
    return this.#packs.build(pack, signal)
  }

  async warmPack(id: PackId, node: NodeId, columns: readonly string[], signal: AbortSignal): Promise<ActionCost> {
    signal.throwIfAborted()
    const pack = this.#parts.packs.get(id)
    if (pack === undefined) throw new ForebayError('NOT_FOUND', `there is no pack "${id}"`)
    const startedAt = performance.now()
    this.#parts.packs.pin(id)
    try {
      const { bytes, cpuMs } = await untilAborted(this.#replies.warmPack(pack, node, columns), signal)
      if (bytes > 0) this.#parts.warmth.read(id, node, columns)
      return { cpuMs, wallMs: performance.now() - startedAt, heldBytes: bytes }
    } finally {
      await this.#parts.packs.unpin(id)
    }
  }

  async precompute(query: ExpectedQuery, signal: AbortSignal): Promise<ActionCost> {
    // Those that gave way have cost something too; how long it takes is said by the one that did not.
    let cpuMs = 0
    for (;;) {
      signal.throwIfAborted()
      await this.#hooks.untilIdle(signal)
      const before = this.#parts.derived.bytes
      const execution = this.#hooks.runAhead(requestOf(query))
      const onAbort = (): void => execution.cancel('it is not wanted any more')
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        const { body } = await execution.result
        for await (const _ of body) continue
        const cost = execution.cost()
        return { cpuMs: cpuMs + cost.cpuMs, wallMs: cost.wallMs, heldBytes: Math.max(0, this.#parts.derived.bytes - before) }
      } catch (error) {
        // A client's query came first: this one is begun again when there is nothing else to do.
        const gaveWay = error instanceof ForebayError && error.code === 'CANCELLED' && !signal.aborted
        if (!gaveWay) throw error
        cpuMs += execution.cost().cpuMs
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    }
  }

  #absent(): Readiness['absentNodes'] {
    const nodes = this.nodes()
    if (nodes.some((node) => node.state === 'ready' || node.state === 'starting' || node.state === 'lost')) return []
    const [first] = nodes
    return first === undefined ? [] : [{ node: first.id, memoryBytes: this.#parts.pool.memoryBytesPerNode }]
  }

  #tiers(
    plan: Plan,
    identity: Identity,
  ): { readonly bytes: number; readonly reads: readonly { missing: readonly MissingPack[]; cold: Readiness['coldPacks'] }[] } {
    const { packs, warmth, pool } = this.#parts
    const ready = pool.ready()
    let bytes = 0
    const reads = plan.reads.map((read) => {
      const columns = read.columns.map((column) => column.name)
      const segments = segmentsOf(read, identity.snapshot(read))
      bytes += segments.reduce((sum, segment) => sum + bytesOf(segment, read), 0)
      const { packed, unpacked } = packs.choose(read.dataset, read.columns, segments)
      const missingBytes = unpacked.reduce((sum, segment) => sum + bytesOf(segment, read), 0)
      const ids = unpacked.map((segment) => segment.id)
      const missing = missingBytes > 0 ? [{ dataset: read.dataset, columns, segments: ids, bytes: missingBytes }] : []
      const cold = packed.flatMap(({ pack }) => {
        const warm = warmth.ofPack(pack.id, columns)
        const node = ready[0] ?? 'n1'
        return warm.length > 0 ? [] : [{ pack: pack.id, node, columns, bytes: pack.bytes }]
      })
      return { missing, cold }
    })
    return { bytes, reads }
  }
}

function requestOf({ sql, params, tenant, timeZone }: ExpectedQuery): QueryRequest {
  return {
    sql,
    params,
    tenant,
    timeZone,
    priority: 'background',
    timeoutMs: aheadMsMax,
    tree: 'auto',
    reuse: true,
    format: 'json',
  }
}
