/**
 * The composition root: the only place that knows which adapter stands behind each port. Rooms open side by side where they
 * do not need each other, and close in the opposite order; whatever fails half way closes what was open by then.
 */
import { readdir } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { Allocator } from '../allocate/allocator.js'
import { parseProvisioner, refusalOfEmbedded } from '../allocate/provisioner-url.js'
import { Catalog } from '../catalog/catalog.js'
import { ImportStaging } from '../catalog/import-staging.js'
import { snapshotEvent } from '../catalog/snapshot.js'
import { EmbeddedEngine } from '../engine/embedded/embedded-engine.js'
import { openLineageReader } from '../lineage/lineage-reader.js'
import { IntakeWorker } from '../lineage/openlineage/intake-worker.js'
import { openReporter } from '../lineage/openlineage/out/open-reporter.js'
import type { ReportedTable } from '../lineage/openlineage/out/query-report.js'
import type { SetAsideEvent } from '../lineage/projection/graph-database.js'
import { openRecorder } from '../lineage/recorder.js'
import type { RelationChange, TableSummary } from '../model/catalogue.js'
import { type Clock, systemClock } from '../model/clock.js'
import { ForebayError } from '../model/errors.js'
import type { LedgerEntry } from '../model/forecast.js'
import type { NodeStatus } from '../model/node.js'
import { underEither } from '../model/under-either.js'
import { openFitWorker } from '../predict/boosting/fit-worker-port.js'
import { Predictor } from '../predict/predictor.js'
import { type BrokeredQueue, openBrokeredQueue } from '../queue/brokered/brokered-queue.js'
import { Journal } from '../queue/embedded/journal.js'
import { newPlannerPool } from '../sql/planner-pool.js'
import { Broadcast } from './broadcast.js'
import { ClosingOrder } from './closing-order.js'
import { readCredentials, type ServerConfiguration } from './configuration.js'
import { EventHub } from './event-hub.js'
import { Health } from './health.js'
import { buildApp } from './http/build-app.js'
import { learnFrom } from './learn-from.js'
import { findStore, lineageStores } from './lineage-stores.js'
import { LoadScores } from './load-scores.js'
import { Metrics } from './metrics/metrics.js'
import { ModelKeeper } from './model-keeper.js'
import { packageVersion } from './package-version.js'
import { QueryBook } from './queries/query-book.js'
import { ResultStore } from './queries/result-store.js'
import type { Rooms } from './rooms.js'
import { RunningImports } from './running-imports.js'
import { openStateFolder } from './state-folder.js'
import { jsonValues, TappedRecorder } from './tapped-recorder.js'
import { openTracing } from './tracing/open-tracing.js'

export interface ServerOptions {
  /** Domain time: submission, history, forecasts, ledger. Supervision and HTTP use the machine's own clock. */
  readonly clock?: Clock
  readonly log?: Logger
}

export interface Server {
  /** `http://127.0.0.1:4180`. */
  readonly url: string
  /** True while no query waits or runs and nothing is prepared. */
  quiet(): boolean
  nodes(): readonly NodeStatus[]
  ledger(): readonly LedgerEntry[]
  /** Drains running queries and imports, then closes everything. An abort of the signal ends the draining. */
  close(signal?: AbortSignal): Promise<void>
}

const queueMsMax = 30_000
const firstAnswerMsMax = 30_000
/** For the first node to start. */
const nodeMsMax = 60_000

/** JSON lines on stderr. */
export function serverLog({ logLevel }: Pick<ServerConfiguration, 'logLevel'>): Logger {
  return pino({ level: logLevel }, pino.destination(2))
}

/** Opens everything and serves. Rejects with an error that names what was in the way; nothing is left open then. */
export async function openServer(configuration: ServerConfiguration, options: ServerOptions = {}): Promise<Server> {
  const closing = new ClosingOrder()
  try {
    return await open(configuration, options, closing)
  } catch (error) {
    await closing.close()
    throw error
  }
}

async function open(configuration: ServerConfiguration, options: ServerOptions, closing: ClosingOrder): Promise<Server> {
  const clock = options.clock ?? systemClock
  const log = options.log ?? serverLog(configuration)
  const onError = (error: unknown): void => log.error({ err: error }, 'background work failed')
  const onSetAside = (event: SetAsideEvent): void => log.error(event, 'no lineage graph can take this event: it is set aside')
  refuseUnavailable(configuration)
  await checkDataFolder(configuration.data)
  const credentials = readCredentials(configuration)
  const { limits } = configuration

  const state = openStateFolder(configuration.state, limits.diskFree)
  closing.add(async () => state.release())
  // Closed after the recorder: the last tasks are known only when their events are durable.
  const tracing = await closing.track(openTracing(process.env, packageVersion()))
  const lineageFolder = state.inner('lineage')
  const stores = lineageStores(configuration.lineage)
  const reads = findStore(stores, configuration.lineageReads)
  const opening = closing.track(openRecorder({ folder: lineageFolder, clock, stores, onFailure: onError, onSetAside }))
  const planner = newPlannerPool()
  closing.add(() => planner.close())
  let startOthers = (): void => {}
  const serving = new Promise<void>((resolve) => {
    startOthers = resolve
  })
  const planning = planner.start(serving)
  planning.catch(() => {})
  const hub = new EventHub()
  const fitter = openFitWorker()
  closing.add(() => fitter.close())
  const predictor = new Predictor({ clock, fitter })
  const plainRecorder = await opening
  const reader = await closing.track(openLineageReader({ folder: lineageFolder, stores, reads, onFailure: onError }))

  // Activities may come while the engine opens, before the listeners below exist.
  const broadcast = new Broadcast({ hub, predictor, tracing, onError })
  const recorder = new TappedRecorder(plainRecorder, {
    recorded: (events) => broadcast.recorded(events),
    committed: (micros) => broadcast.committed(micros),
  })
  const models = new ModelKeeper({ recorder: plainRecorder, clock: systemClock, onError })
  models.add('predictor', {
    snapshot: () => predictor.snapshot(),
    restore: (kept) => void predictor.restore(kept),
  })
  const intake = new IntakeWorker(limits.lineageBytes)
  closing.add(() => intake.close())
  const staging = new ImportStaging(state.inner('imports'))
  const imports = new RunningImports()
  const results = new ResultStore({
    folder: state.inner('results'),
    bytesMax: Math.floor(configuration.disk / 4),
    resultBytesMax: limits.resultBytes,
  })
  const catalog = new Catalog({
    dataFolder: configuration.data,
    stateFolder: state.path,
    readFooters: (paths, signal) => planner.readFooters(paths, signal),
    describeFiles: (paths, signal) => planner.describeFiles(paths, signal),
    keyValue: jsonValues(plainRecorder),
    clock,
    onError,
  })
  let openings: readonly Promise<unknown>[] = []
  // What still opens when another of them fails has ended before the state folder is given back.
  closing.add(() => Promise.allSettled(openings))
  closing.add(() => catalog.close())

  const promises = await closing.track(Journal.open(join(state.inner('promises'), 'journal.jsonl')))
  const queue = configuration.queue === 'embedded' ? undefined : await openQueue(configuration, state.inner('queue'), onError)
  const reporter = await openReporter(configuration.openLineage, {
    version: packageVersion(),
    table: (name) => reportedTable(catalog.table(name), catalog.place(name)),
    onError,
  })
  if (reporter !== undefined) closing.add(() => reporter.close())

  const engine = new EmbeddedEngine(
    {
      stateFolder: state.path,
      dataFolders: [configuration.data, join(state.path, 'tables'), join(state.path, 'imports')],
      writableFolders: [join(state.path, 'tables')],
      checksumFolder: join(state.path, 'checksums'),
      nodes: configuration.nodes,
      memoryBytes: configuration.memory,
      diskBytes: configuration.disk,
      catalog,
      planner,
      recorder,
      reader,
      predictor,
      clock,
      limits: {
        queriesWaitingMax: limits.queuedQueries,
        queriesRunningMax: limits.runningQueries,
        resultBytesMax: limits.resultBytes,
      },
      onActivity: (activity) => broadcast.notice(activity),
      onError,
    },
    queue === undefined ? {} : { queue },
  )
  closing.add(() => engine.close())
  // The first node starts while the data folder is listed and the rest is put together here.
  openings = [engine.open(AbortSignal.timeout(nodeMsMax), serving), catalog.open(), staging.open(), results.open()]
  const opened = Promise.all(openings)
  opened.catch(() => {})

  const allocator = new Allocator({
    mode: configuration.proactive,
    clock,
    actuator: engine.actuator,
    forecast: (now, horizonMs) => predictor.arrivals.expect(now, horizonMs),
    heldOutShare: configuration.heldOutShare,
    keepAliveMs: configuration.keepAlive,
    nodesMin: configuration.nodesMin,
    memoryBytes: configuration.memory,
    onLedger: (entry) => broadcast.settled(entry),
    onForecast: (forecast, became, queryId) => broadcast.forecast(forecast, became, queryId),
    onError,
  })
  models.add('allocator', { snapshot: () => allocator.snapshot(), restore: (kept) => allocator.restore(kept) })

  const loadScores = new LoadScores({
    hottest: (limit) => reader.hottest(limit, clock.now()),
    loadScores: (segments) => engine.loadScores(segments),
    onError,
  })
  const health = new Health({
    writeLog: () => plainRecorder.put('health', JSON.stringify(clock.now())),
    freeBytes: () => state.freeBytes(),
    freeBytesMin: limits.diskFree,
    queueStatus: () => engine.queueStatus(),
    probePlanner: async () => {
      if (planner.stats().planners === 0) throw new Error('no planner answers')
    },
  })
  const metrics = new Metrics({
    version: packageVersion(),
    queueDepth: () => engine.queueDepth(),
    queueStatus: () => engine.queueStatus(),
    queriesRunning: () => engine.running(),
    nodes: () => engine.nodes(),
    loadScores: () => loadScores.read(),
    lineageLag: () => plainRecorder.lag(),
    lineageSetAside: () => plainRecorder.stats().setAside,
    segments: () => ({
      parquet: catalog.tables().reduce((sum, table) => sum + table.segments, 0),
      pack: new Set(engine.packs().flatMap((pack) => pack.segments)).size,
      derived: engine.derivedSegments(),
    }),
    coverage: () => predictor.coverage(),
    freeBytes: () => state.freeBytes(),
    freeBytesMin: limits.diskFree,
    checks: () => health.checks(),
    traceOf: (queryId) => tracing.traceOf(queryId),
  })
  broadcast.connect({ metrics, allocator, reporter })

  const queries = new QueryBook({
    engine,
    clock,
    results,
    promises,
    past: (queryId) => reader.query(queryId),
    onError,
  })
  const rooms: Rooms = {
    version: packageVersion(),
    configuration,
    credentials,
    clock,
    catalog,
    engine,
    lineage: reader,
    recorder: plainRecorder,
    lineageStores: stores,
    externalEvents: { record: (events) => recorder.record(events), lag: () => plainRecorder.lag() },
    intake,
    predictor,
    allocator,
    queries,
    results,
    queryDefaults: { timeoutMs: limits.queryTimeout, tree: configuration.tree, sqlBytesMax: limits.sqlBytes },
    hub,
    metrics,
    tracing,
    health,
    loadScores,
    learn: (body) => learnFrom(body, { predictor, planner, clock }),
    staging,
    imports,
  }
  const app = await buildApp(rooms, log)
  let appClosed: PromiseLike<unknown> | undefined
  const closeApp = async (): Promise<void> => void (await (appClosed ??= app.close()))
  closing.add(() => {
    const ended = closeApp()
    app.server.closeAllConnections()
    return ended
  })
  await opened
  catalog.onChange((change: RelationChange) => {
    if (change.kind === 'forgotten') planner.forget(change.name)
    else planner.define(change)
    if (change.kind === 'dataset') {
      recorder.record([snapshotEvent(change.snapshot, change.snapshot.createdAt * 1000)]).catch(onError)
    }
    broadcast.relationChanged(change, clock.now())
  })
  broadcast.ready()
  await models.restore()
  await planning
  await Promise.all([listen(app, configuration), answerFirst(engine)])
  health.probed = true
  startOthers()
  const url = urlOf(configuration, app.server.address() as AddressInfo)
  await state.announce(url)
  catalog.start()
  allocator.start()
  models.start()
  const resumed = await queries.resume()
  log.info({ url, resumed, data: configuration.data, state: configuration.state }, 'serving')

  closing.add(async () => models.stop())
  closing.add(async () => allocator.stop())
  const close = async (signal?: AbortSignal): Promise<void> => {
    health.stopping = true
    log.info({ running: queries.running().map((query) => query.queryId) }, 'stopping')
    const closed = closeApp()
    const ends = [AbortSignal.timeout(configuration.drain), ...(signal === undefined ? [] : [signal])]
    await underEither(ends, (patience) => Promise.all([queries.drain(patience), imports.drain(patience)]))
    log.debug('drained')
    // Answers that were cut off have a moment to say so.
    const impatient = setTimeout(() => app.server.closeAllConnections(), 1_000)
    await closed
    clearTimeout(impatient)
    log.debug('http closed')
    await closing.close()
    log.info('stopped')
  }
  let closed: Promise<void> | undefined
  return {
    url,
    quiet: () => !engine.actuator.busy() && !allocator.acting && queries.running().length === 0,
    nodes: () => engine.nodes(),
    ledger: () => allocator.ledger.entries(),
    close: (signal) => (closed ??= close(signal)),
  }
}

/** A table as others are told of it. A discovered one is a folder, or a file, of the data folder. */
function reportedTable(table: TableSummary | undefined, place: string | undefined): ReportedTable | undefined {
  if (table === undefined || table.kind === 'broken' || table.kind === 'view') return undefined
  return {
    columns: table.columns,
    ...(table.snapshot === undefined ? {} : { snapshot: table.snapshot }),
    ...(table.kind === 'discovered' && place !== undefined ? { path: place } : {}),
  }
}

/** Throws CONFIGURATION_INVALID for what this version does not have. */
export function refuseUnavailable(configuration: ServerConfiguration): void {
  const { engine } = configuration
  const refusal = engine === 'embedded' ? refusalOfEmbedded(parseProvisioner(configuration.provisioner)) : undefined
  if (refusal !== undefined) throw refusal
  const missing = engine === 'embedded' ? undefined : 'engine'
  if (missing === undefined) return
  throw new ForebayError(
    'CONFIGURATION_INVALID',
    `configuration key "${missing}": "${configuration[missing]}" is not built into this version`,
    {
      hint: `leave --${missing} away: the embedded one is used then`,
    },
  )
}

/** A planner and a node answer. Throws UNAVAILABLE when they do not in time. */
async function answerFirst(engine: EmbeddedEngine): Promise<void> {
  const signal = AbortSignal.timeout(firstAnswerMsMax)
  try {
    await engine.probe(signal)
  } catch (error) {
    if (!signal.aborted) throw error
    throw new ForebayError('UNAVAILABLE', `no node has answered ${firstAnswerMsMax / 1000} s after the start`, {
      hint: 'the machine is too busy, or has too little memory, for so many nodes: start fewer with --nodes',
      cause: error,
    })
  }
}

/** A broker that starts beside us has a while to come up; what is wrong with it is said at once. */
function openQueue(
  { queue, nodes }: ServerConfiguration,
  folder: string,
  onError: (error: unknown) => void,
): Promise<BrokeredQueue> {
  const slots = Array.from({ length: nodes }, (_, index) => `n${index + 1}`)
  return openBrokeredQueue({ url: queue, nodes: slots, folder, onError }, AbortSignal.timeout(queueMsMax))
}

/** The user's folder may be absent, but what is there must be a folder that can be read. */
async function checkDataFolder(data: string): Promise<void> {
  try {
    await readdir(data)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    const why = code === 'ENOTDIR' ? 'it is not a folder' : message
    throw new ForebayError('CONFIGURATION_INVALID', `data folder ${data} cannot be read: ${why}`, {
      hint: 'give this user the right to read it, or name another folder with --data DIR',
      cause: error,
    })
  }
}

async function listen(app: Awaited<ReturnType<typeof buildApp>>, { host, port }: ServerConfiguration): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why =
      code === 'EADDRINUSE' ? 'is taken' : code === 'EACCES' ? 'is not allowed for this user' : `cannot be used: ${message}`
    const isPort = code === 'EADDRINUSE' || code === 'EACCES'
    throw new ForebayError('CONFIGURATION_INVALID', `port ${port} of ${host} ${why}`, {
      hint: isPort
        ? 'stop what listens there, or choose another with --port N; --port 0 takes a free one'
        : 'name an address of this machine with --host; 127.0.0.1 always is one, 0.0.0.0 stands for all',
      cause: error,
    })
  }
}

function urlOf({ host, tls }: ServerConfiguration, { port }: AddressInfo): string {
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return `${tls === undefined ? 'http' : 'https'}://${name}:${port}`
}
