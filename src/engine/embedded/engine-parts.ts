import type { NodeFleet } from '../../allocate/node-fleet.js'
import type { Activity } from '../../model/activity.js'
import type { Clock } from '../../model/clock.js'
import type { ErrorRecord } from '../../model/errors.js'
import type { TaskReport } from '../../model/messages.js'
import type { NodeId } from '../../model/node.js'
import type { BaseSegment, StoredSegment } from '../../model/segment.js'
import type { DeadLetter } from '../../queue/dead-letters.js'
import type { Admission } from '../../scheduler/admission.js'
import type { DerivedIndex } from '../../scheduler/derived-index.js'
import type { Dispatcher } from '../../scheduler/dispatcher.js'
import type { PackRegistry } from '../../scheduler/pack-registry.js'
import type { Quarantine } from '../../scheduler/quarantine.js'
import type { ReadHeat } from '../../scheduler/read-heat.js'
import type { SegmentHomes } from '../../scheduler/segment-homes.js'
import type { PlannerPool } from '../../sql/planner.js'
import type { EngineCatalog, EngineLimits, EngineRecorder } from './engine-options.js'
import type { AnswerCache } from './kept/answer-cache.js'
import type { Prefetched } from './kept/prefetched.js'
import type { Warmth } from './kept/warmth.js'
import type { LineageFeed } from './lineage-feed.js'
import type { NodePool } from './nodes/node-pool.js'
import type { Predictions } from './predictions.js'
import type { LeafMemory } from './tasks/leaf-memory.js'

/** What a running query uses of the engine. */
export interface EngineParts {
  readonly catalog: EngineCatalog
  readonly planner: Pick<PlannerPool, 'plan'>
  readonly recorder: EngineRecorder
  readonly fleet: NodeFleet
  readonly pool: NodePool
  readonly dispatcher: Dispatcher
  readonly admission: Admission
  readonly quarantine: Quarantine
  readonly derived: DerivedIndex
  readonly answers: AnswerCache
  readonly packs: PackRegistry
  readonly heat: ReadHeat
  readonly homes: SegmentHomes
  readonly warmth: Warmth
  readonly leafMemory: LeafMemory
  readonly predictions: Predictions
  readonly prefetched: Prefetched
  readonly lineage: LineageFeed
  readonly limits: EngineLimits
  readonly clock: Clock
  /** Token of the nodes' segment servers. */
  readonly token: string
  readonly engineVersion: string
  /** Threads of a whole task. */
  readonly threads: number
  /** Writes under way by idempotency key. */
  readonly writes: Map<string, Promise<void>>
  readonly emit: (activity: Activity) => void
  readonly onError: (error: unknown) => void
  /** Told what to do when the answer of a task has been stored after its outcome. */
  readonly whenStored: (taskId: string, take: (stored: StoredSegment) => void) => void
  /** Removes a file of a derived segment that nobody will look for. */
  readonly discard: (stored: StoredSegment) => void
  /** Resolves with the end of a streamed answer. */
  readonly streamEnd: (node: NodeId, taskId: string) => Promise<StreamEnd>
  /** A task read these columns of a segment's file, so that their checksums can be recorded. */
  readonly parquetRead: (segment: BaseSegment, columns: readonly string[]) => void
  /** Why tasks do not get to nodes now; undefined while they do. */
  readonly queueAway: () => string | undefined
  /** Keeps a task that was given up. */
  readonly bury: (letter: DeadLetter) => void
}

export interface StreamEnd {
  readonly rows: number
  readonly bytes: number
  readonly error?: ErrorRecord
  readonly report?: TaskReport
}
