/**
 * The embedded engine: a tree of DuckDB processes on one machine. This file puts its parts together and is what the rest of
 * the server holds; the path of one query is in query-execution.ts, answer-statement.ts and run-plan.ts, in this order.
 */
import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Actuator } from '../../allocate/actions.js'
import type { NodeFleet } from '../../allocate/node-fleet.js'
import { ProcessesProvisioner } from '../../allocate/processes/processes-provisioner.js'
import type { Activity } from '../../model/activity.js'
import { systemClock } from '../../model/clock.js'
import type { NodeQueue } from '../../model/messages.js'
import type { NodeId, NodeStatus } from '../../model/node.js'
import type { Priority } from '../../model/priority.js'
import type { Plan, QueryRequest } from '../../model/query.js'
import type { Pack, SegmentId, StoredSegment } from '../../model/segment.js'
import { underEither } from '../../model/under-either.js'
import type { Prediction } from '../../predict/prediction.js'
import type { BrokeredQueue } from '../../queue/brokered/brokered-queue.js'
import type { QueueStatus } from '../../queue/task-queue.js'
import { Admission } from '../../scheduler/admission.js'
import { DerivedIndex } from '../../scheduler/derived-index.js'
import { Dispatcher } from '../../scheduler/dispatcher.js'
import { PackRegistry } from '../../scheduler/pack-registry.js'
import { Quarantine } from '../../scheduler/quarantine.js'
import { ReadHeat } from '../../scheduler/read-heat.js'
import { SegmentHomes } from '../../scheduler/segment-homes.js'
import type { Engine, QueryResult } from '../engine.js'
import { askPrediction } from './ask-prediction.js'
import { EngineActuator } from './engine-actuator.js'
import { defaultLimits, type EmbeddedEngineOptions, type EngineLimits } from './engine-options.js'
import type { EngineParts } from './engine-parts.js'
import { AnswerCache } from './kept/answer-cache.js'
import { ChecksumKeeper } from './kept/checksum-keeper.js'
import { DerivedKeeper } from './kept/derived-keeper.js'
import { PackKeeper } from './kept/pack-keeper.js'
import { Prefetched } from './kept/prefetched.js'
import { segmentData } from './kept/segment-data.js'
import { Warmth } from './kept/warmth.js'
import { LineageFeed } from './lineage-feed.js'
import { DeadTasks } from './nodes/dead-tasks.js'
import { NodePool } from './nodes/node-pool.js'
import { NodeReplies } from './nodes/node-replies.js'
import { brokeredRoute, embeddedRoute, nodeQueue, type TaskRoute } from './nodes/task-route.js'
import { Predictions } from './predictions.js'
import { type ExecutionOptions, QueryExecution } from './query-execution.js'
import { type Explanation, explainPlan } from './run/explain.js'
import { confirmedPlan } from './run/run-rounds.js'
import { LeafMemory } from './tasks/leaf-memory.js'
import { identityOf } from './tasks/plan-identity.js'
import { type ImportRequest, type ImportResult, importFiles } from './write/import-files.js'

/** Shares of the disk budget. */
const packShare = 0.5
const derivedShare = 0.2
const tempShare = 0.3
const brokeredInlineBytesMax = 65_536

/** What the engine starts with besides its options. */
export interface EngineAdapters {
  readonly fleet?: NodeFleet
  /** Without it tasks are queued in this process. */
  readonly queue?: BrokeredQueue
  readonly engineVersion?: string
}

export class EmbeddedEngine implements Engine {
  readonly kind = 'embedded'
  readonly actuator: Actuator
  /** Tasks that were given up, and what can be done about them. */
  readonly deadTasks: DeadTasks
  readonly #options: EmbeddedEngineOptions
  readonly #parts: EngineParts
  readonly #route: TaskRoute
  readonly #replies: NodeReplies
  readonly #packKeeper: PackKeeper
  readonly #checksumKeeper: ChecksumKeeper
  readonly #derivedKeeper: DerivedKeeper
  /** Queries that have not ended, without the engine's own. */
  readonly #live = new Set<QueryExecution>()
  readonly #internal = new Set<QueryExecution>()
  readonly #closed = new AbortController()
  #idleSince = performance.now()
  #opening: Promise<void> = Promise.resolve()

  constructor(options: EmbeddedEngineOptions, adapters: EngineAdapters) {
    const { clock, stateFolder } = options
    // One listener for each node that starts, and each service.
    setMaxListeners(0, this.#closed.signal)
    const limits = limitsOf(options, adapters.queue)
    const onError = options.onError ?? (() => {})
    // Whoever watches may fail; neither a query nor a node may suffer from that.
    const emit = (activity: Activity): void => {
      try {
        options.onActivity?.(activity)
      } catch (error) {
        onError(error)
      }
    }
    const token = randomBytes(24).toString('hex')
    const plainFleet =
      adapters.fleet ?? openFleet(options, token, adapters.queue && nodeQueue(adapters.queue, limits.tasksPerNode))
    this.#route =
      adapters.queue === undefined
        ? embeddedRoute(plainFleet, join(stateFolder, 'queue', 'dead-letters.jsonl'))
        : brokeredRoute(plainFleet, adapters.queue)
    const { fleet, queue, source } = this.#route
    const memoryBytesPerNode = Math.floor(options.memoryBytes / options.nodes)
    this.#options = options
    this.#replies = new NodeReplies(fleet)
    const lineage = new LineageFeed({ recorder: options.recorder, fleet, clock, onError })
    const homes = new SegmentHomes()
    const prefetched = new Prefetched(emit)
    const packs = new PackRegistry({
      folder: join(stateFolder, 'packs'),
      bytesMax: options.diskBytes * packShare,
      detach: (ids) => {
        for (const id of ids) prefetched.gone(id)
        return this.#replies.detachPacks(ids)
      },
    })
    const nodesFolder = join(stateFolder, 'nodes')
    this.#derivedKeeper = new DerivedKeeper({ fleet, lineage, recorder: options.recorder, nodesFolder, onError })
    this.#parts = {
      catalog: options.catalog,
      planner: options.planner,
      recorder: options.recorder,
      fleet,
      pool: new NodePool({ fleet, memoryBytesPerNode }),
      dispatcher: new Dispatcher({ queue, fleet, slots: limits.tasksPerNode, ...(source && { source }) }),
      admission: new Admission({
        memoryBytes: options.memoryBytes,
        runningMax: limits.queriesRunningMax,
        waitingMax: limits.queriesWaitingMax,
      }),
      quarantine: new Quarantine(systemClock),
      derived: new DerivedIndex({
        bytesMax: options.diskBytes * derivedShare,
        onDuplicate: (duplicate) => this.#derivedKeeper.discard(duplicate),
        onEvict: (evicted) => {
          for (const { id } of evicted) prefetched.gone(id)
          this.#derivedKeeper.evict(evicted)
        },
      }),
      answers: new AnswerCache(limits.answerCacheBytes),
      packs,
      heat: new ReadHeat(),
      homes,
      warmth: new Warmth(fleet, homes, packs),
      leafMemory: new LeafMemory(),
      predictions: new Predictions({ predictor: options.predictor, reader: options.reader, clock, emit, onError }),
      prefetched,
      lineage,
      limits,
      clock,
      token,
      engineVersion: adapters.engineVersion ?? duckdbVersion(),
      threads: availableParallelism(),
      writes: new Map(),
      emit,
      onError,
      whenStored: (taskId, take) => this.#replies.whenStored(taskId, take),
      discard: (stored) => this.#derivedKeeper.discard(stored),
      streamEnd: (node, taskId) => this.#replies.streamEnd(node, taskId),
      parquetRead: (segment, columns) => this.#checksumKeeper.read(segment, columns),
      queueAway: () => (queue.status().connected ? undefined : `queue: ${queue.status().detail ?? 'not connected'}`),
      bury: (letter) => void this.#route.deadLetters.add(letter).catch(onError),
    }
    this.#packKeeper = new PackKeeper(this.#parts, (until) => this.#untilIdle(until))
    this.#checksumKeeper = new ChecksumKeeper(this.#parts, this.#replies)
    this.deadTasks = new DeadTasks(this.#route.deadLetters, this.#parts)
    this.actuator = new EngineActuator(this.#parts, this.#packKeeper, this.#replies, {
      busy: () => this.#live.size > 0,
      runAhead: (request) => this.#submit(`p-${randomBytes(8).toString('hex')}`, request, { internal: true, givesWay: true }),
      untilIdle: (signal) => this.#untilIdle(signal),
    })
    fleet.subscribe({
      message: () => {},
      changed: (node) => emit({ type: 'node', node }),
      lost: (loss) => onError(new Error(loss.message)),
    })
  }

  /**
   * Takes up what former runs left, starts the first node and the background work. Resolves when the node is ready. The others
   * start after it and after `urgent`, so that they do not take its time, and so do packs: until the catalogue is open, all would be stale.
   */
  open(signal: AbortSignal, urgent: Promise<unknown> = Promise.resolve()): Promise<void> {
    this.#opening = this.#open(signal, urgent)
    return this.#opening
  }

  async #open(signal: AbortSignal, urgent: Promise<unknown>): Promise<void> {
    const { nodes, packing = true } = this.#options
    await this.#parts.packs.open()
    await this.#derivedKeeper.restore(this.#parts.derived)
    await this.#route.open(this.#parts.lineage, this.#options.onError ?? (() => {}))
    await underEither([signal, this.#closed.signal], (stop) => this.#parts.pool.want(1, false, stop))
    this.#checksumKeeper.start(this.#closed.signal)
    this.#derivedKeeper.start(this.#parts.derived, this.#closed.signal)
    void urgent.then(() => {
      this.#parts.pool.want(nodes, false, this.#closed.signal).catch(() => {})
      if (packing) this.#packKeeper.start(this.#closed.signal)
    })
  }

  submit(queryId: string, request: QueryRequest): QueryExecution {
    return this.#submit(queryId, request, { internal: false, givesWay: false })
  }

  plan(request: QueryRequest, signal: AbortSignal): Promise<Plan> {
    return confirmedPlan(this.#parts, request, signal)
  }

  /** What a query would need, where and why; `prediction` is absent when prediction is off or has nothing to say. */
  async predict(request: QueryRequest, signal: AbortSignal): Promise<{ readonly plan: Plan; readonly prediction?: Prediction }> {
    const plan = await this.plan(request, signal)
    const identity = identityOf(this.#parts, request.timeZone, plan)
    const asked = await askPrediction(this.#parts, request, plan, identity, 500)
    return asked === undefined ? { plan } : { plan, prediction: asked.prediction }
  }

  async explain(request: QueryRequest, signal: AbortSignal): Promise<Explanation> {
    return explainPlan(this.#parts, request, await this.plan(request, signal))
  }

  /** Files of a folder that nodes may read become segments of a written table. */
  importFiles(request: ImportRequest, signal: AbortSignal): Promise<ImportResult> {
    return importFiles(this.#parts, request, signal)
  }

  /** One segment's rows as Parquet with their real column names; NOT_FOUND when its bytes are gone. */
  segmentData(id: SegmentId, signal: AbortSignal): Promise<QueryResult> {
    return segmentData(this.#parts, id, signal)
  }

  /** A planner plans and a node runs a statement; leaves no trace, and when this resolves nothing of it is under way any more. */
  async probe(signal: AbortSignal): Promise<void> {
    const execution = this.#submit(`probe-${randomBytes(6).toString('hex')}`, probeRequest, { internal: true, givesWay: false })
    const onAbort = (): void => execution.cancel('the probe was given up')
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const { body } = await execution.result
      for await (const _ of body) continue
      await execution.ended
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  nodes(): readonly NodeStatus[] {
    return this.#parts.pool.all()
  }

  packs(): readonly Pack[] {
    return this.#parts.packs.packs()
  }

  /** Partials and answers whose bytes are kept. */
  derivedSegments(): number {
    return this.#parts.derived.size
  }

  queueDepth(): Readonly<Record<Priority, number>> {
    const waiting = this.#parts.admission.depth()
    const tasks = this.#route.queue.depth()
    return {
      proactive: waiting.proactive + tasks.proactive,
      interactive: waiting.interactive + tasks.interactive,
      batch: waiting.batch + tasks.batch,
      background: waiting.background + tasks.background,
    }
  }

  queueStatus(): QueueStatus {
    return this.#route.queue.status()
  }

  /** Nodes that hold these segments warm. */
  warmOn(segments: readonly SegmentId[]): ReadonlyMap<SegmentId, readonly NodeId[]> {
    return new Map(segments.map((id) => [id, this.#parts.warmth.warmOn(id)]))
  }

  /** Load score by node over the hottest segments that are known to the lineage graph. */
  async loadScores(segments: readonly SegmentId[]): Promise<ReadonlyMap<NodeId, number>> {
    return this.#parts.predictions.loadScores(await this.#parts.predictions.work(segments, 500))
  }

  /** A derived segment whose bytes exist. */
  stored(id: SegmentId): StoredSegment | undefined {
    return this.#parts.derived.has(id) ? this.#parts.derived.find(id) : undefined
  }

  /** Queries of clients that have not ended. */
  running(): number {
    return this.#live.size
  }

  /** Resolves when no query runs; those that still run at the signal's abort are cancelled. */
  async drain(signal: AbortSignal): Promise<void> {
    const ended = (): Promise<unknown> => Promise.allSettled([...this.#live].map((query) => query.ended))
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([ended(), aborted])
    for (const query of this.#live) query.cancel('the server stops')
    await ended()
  }

  async close(): Promise<void> {
    const { dispatcher, fleet, lineage, derived } = this.#parts
    this.#closed.abort(new Error('the engine closes'))
    await this.#opening.catch(() => {})
    for (const query of [...this.#live, ...this.#internal]) query.cancel('the server stops')
    await Promise.allSettled([...this.#live, ...this.#internal].map((query) => query.ended))
    await Promise.all([this.#packKeeper.stopped(), this.#checksumKeeper.stopped()])
    // Nodes hand over their last lineage while they drain, so the recorder is waited for after them.
    await fleet.close()
    await this.#route.drain()
    await lineage.close()
    await this.#derivedKeeper.save(derived)
    await dispatcher.close()
    await this.#route.close()
  }

  #submit(queryId: string, request: QueryRequest, kind: Pick<ExecutionOptions, 'internal' | 'givesWay'>): QueryExecution {
    const { internal } = kind
    const set = internal ? this.#internal : this.#live
    const execution = new QueryExecution({
      parts: this.#parts,
      queryId,
      request,
      ...kind,
      onEnd: () => {
        set.delete(execution)
        // Our own work does not put off the rest of our own work.
        if (!internal) this.#idleSince = performance.now()
      },
    })
    set.add(execution)
    if (!internal) this.#parts.admission.preempt()
    return execution
  }

  /** Resolves when no query of a client ran for a while. */
  async #untilIdle(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      const idleMs = this.#live.size > 0 ? 0 : performance.now() - this.#idleSince
      const missing = this.#parts.limits.idleMs - idleMs
      if (this.#live.size === 0 && missing <= 0) return
      await systemClock.sleep(this.#live.size > 0 ? 200 : Math.max(10, missing), signal)
    }
  }
}

/** Not of priority proactive, which waits for all nodes. */
const probeRequest: QueryRequest = {
  sql: 'SELECT 1',
  params: {},
  priority: 'interactive',
  tenant: 'forebay',
  timeZone: 'UTC',
  timeoutMs: 10_000,
  tree: 'never',
  reuse: false,
  format: 'json',
}

/** Over a broker only small answers go inside the outcome: data does not go through it. */
function limitsOf({ limits }: EmbeddedEngineOptions, queue: BrokeredQueue | undefined): EngineLimits {
  const all = { ...defaultLimits, ...limits }
  return queue === undefined ? all : { ...all, inlineBytesMax: Math.min(all.inlineBytesMax, brokeredInlineBytesMax) }
}

function openFleet(options: EmbeddedEngineOptions, token: string, queue: NodeQueue | undefined): NodeFleet {
  const { stateFolder, nodes, diskBytes } = options
  const nodesFolder = join(stateFolder, 'nodes')
  const packsFolder = join(stateFolder, 'packs')
  return new ProcessesProvisioner({
    nodes,
    configure: (id, incarnation, memoryBytes) => ({
      id,
      incarnation,
      token,
      folder: join(nodesFolder, id),
      readableFolders: [...options.dataFolders, nodesFolder, packsFolder, join(stateFolder, 'imports')],
      writableFolders: [packsFolder, ...options.writableFolders],
      checksumFolder: options.checksumFolder,
      memoryBytes,
      tempBytesMax: Math.floor((diskBytes * tempShare) / nodes),
      threads: availableParallelism(),
      ...(queue && { queue }),
    }),
  })
}

/** The version that nodes will run, known before the first of them does: it is a part of every derived segment's id. */
function duckdbVersion(): string {
  const path = createRequire(import.meta.url).resolve('@duckdb/node-api/package.json')
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

/** Opens the engine; resolves when its first node is ready. */
export async function openEmbeddedEngine(
  options: EmbeddedEngineOptions,
  adapters: EngineAdapters = {},
  signal: AbortSignal = AbortSignal.timeout(60_000),
): Promise<EmbeddedEngine> {
  const engine = new EmbeddedEngine(options, adapters)
  try {
    await engine.open(signal)
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}
