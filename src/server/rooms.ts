import type { Allocator } from '../allocate/allocator.js'
import type { Catalog } from '../catalog/catalog.js'
import type { ImportStaging } from '../catalog/import-staging.js'
import type { EmbeddedEngine } from '../engine/embedded/embedded-engine.js'
import type { LineageReader } from '../lineage/lineage-reader.js'
import type { IntakeWorker } from '../lineage/openlineage/intake-worker.js'
import type { Recorder } from '../lineage/recorder.js'
import type { Clock } from '../model/clock.js'
import type { Learned } from '../predict/learn.js'
import type { Predictor } from '../predict/predictor.js'
import type { Credentials, ServerConfiguration } from './configuration.js'
import type { EventHub } from './event-hub.js'
import type { Health } from './health.js'
import type { QueryDefaults } from './http/request-schemas.js'
import type { NamedStore } from './lineage-stores.js'
import type { LoadScores } from './load-scores.js'
import type { Metrics } from './metrics/metrics.js'
import type { QueryBook } from './queries/query-book.js'
import type { ResultStore } from './queries/result-store.js'
import type { RunningImports } from './running-imports.js'
import type { Tracing } from './tracing/tracing.js'

/** Everything that a call over HTTP can reach. Made by openServer. */
export interface Rooms {
  readonly version: string
  readonly configuration: ServerConfiguration
  readonly credentials: Credentials
  readonly clock: Clock
  readonly catalog: Catalog
  readonly engine: EmbeddedEngine
  readonly lineage: LineageReader
  readonly recorder: Pick<Recorder, 'lag' | 'stores' | 'rebuild' | 'verify' | 'checkpoint' | 'stats'>
  /** Graphs besides SQLite's. */
  readonly lineageStores: readonly NamedStore[]
  /** Makes events of other programs durable. */
  readonly externalEvents: Pick<Recorder, 'record' | 'lag'>
  /** Reads requests that bring such events. */
  readonly intake: IntakeWorker
  readonly predictor: Predictor
  readonly allocator: Allocator
  readonly queries: QueryBook
  readonly results: ResultStore
  readonly queryDefaults: QueryDefaults
  readonly hub: EventHub
  readonly metrics: Metrics
  readonly tracing: Tracing
  readonly health: Health
  readonly loadScores: LoadScores
  /** Loads a query log, plain or gzip, as prior experience. */
  readonly learn: (log: AsyncIterable<Uint8Array>) => Promise<Learned>
  /** Where uploads wait for a node to read them. */
  readonly staging: ImportStaging
  readonly imports: RunningImports
}
