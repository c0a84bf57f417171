/** What is read from its source when somebody scrapes: the present state, and counters that a node or the process itself keeps. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { NodeState, NodeStatus } from '../../model/node.js'
import type { Priority } from '../../model/priority.js'
import { type ResourceName, resourceNames } from '../../model/resources.js'
import type { QueueStatus } from '../../queue/task-queue.js'

/** Where metrics are read from at each scrape. Everything answers from memory. */
export interface MetricSources {
  readonly version: string
  readonly queueDepth: () => Readonly<Record<Priority, number>>
  readonly queueStatus: () => QueueStatus
  readonly queriesRunning: () => number
  readonly nodes: () => readonly NodeStatus[]
  readonly loadScores: () => Promise<ReadonlyMap<string, number>>
  readonly lineageLag: () => Readonly<Record<string, number>>
  readonly lineageSetAside: () => number
  readonly segments: () => SegmentTiers
  readonly coverage: () => Readonly<Record<ResourceName, { readonly coverage: number; readonly measured: number }>>
  readonly freeBytes: () => number
  /** Free disk below which the server is not ready. */
  readonly freeBytesMin: number
  readonly checks: () => Promise<readonly { readonly name: string; readonly ok: boolean }[]>
  /** Which trace a query belongs to, where there is one: exemplars name it. */
  readonly traceOf: (queryId: string) => string | undefined
}

/** Base segments that exist (`parquet`), those of them that some pack holds too (`pack`), and derived segments that are kept. */
export type SegmentTiers = Readonly<Record<'parquet' | 'pack' | 'derived', number>>

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]
type Read = () => Iterable<Sample> | Promise<Iterable<Sample>>

const nodeStates: readonly NodeState[] = ['absent', 'starting', 'ready', 'draining', 'stopping', 'lost']

export function declareGauges(registry: Registry, sources: MetricSources): void {
  const gauge = (name: string, help: string, labelNames: readonly string[], read: Read): void => {
    const made = new Gauge({
      name,
      help,
      labelNames,
      registers: [],
      async collect() {
        const samples = [...(await read())]
        this.reset()
        for (const [labels, value] of samples) this.set(labels, value)
      },
    })
    registry.registerMetric(made)
  }
  const counter = (name: string, help: string, labelNames: readonly string[], read: Read): void => {
    const made = new Counter({
      name,
      help,
      labelNames,
      registers: [],
      async collect() {
        const samples = [...(await read())]
        this.reset()
        for (const [labels, value] of samples) this.inc(labels, Math.max(0, value))
      },
    })
    registry.registerMetric(made)
  }
  const ofNodes =
    (value: (node: NodeStatus) => number): Read =>
    () =>
      sources.nodes().map((node) => [{ node: node.id }, value(node)])
  const by = (label: string, record: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(record).map(([key, value]) => [{ [label]: key }, value])

  gauge('forebay_queue_depth', 'Queries and tasks that wait, by priority.', ['priority'], () =>
    by('priority', sources.queueDepth()),
  )
  gauge('forebay_queue_connected', '1 while what carries tasks to nodes can be reached, else 0.', ['queue'], () => {
    const { kind, connected } = sources.queueStatus()
    return [[{ queue: kind }, connected ? 1 : 0]]
  })
  gauge('forebay_queries_running', 'Queries of clients that have not ended, waiting ones included.', [], () => [
    [{}, sources.queriesRunning()],
  ])
  gauge('forebay_lineage_lag_events', 'Events in the log that a store has not applied yet.', ['store'], () =>
    by('store', sources.lineageLag()),
  )
  gauge('forebay_lineage_set_aside_events', 'Events in the log that no store holds, since none could take them.', [], () => [
    [{}, sources.lineageSetAside()],
  ])
  gauge('forebay_segments', 'Segments that exist, by tier.', ['tier'], () => by('tier', sources.segments()))
  gauge(
    'forebay_prediction_interval_coverage',
    'Share of the last outcomes inside their predicted interval; absent before the first one.',
    ['resource'],
    () => measuredCoverage(sources.coverage()),
  )
  gauge('forebay_ready', '1 where a check of /readyz holds, 0 where it does not.', ['check'], async () =>
    (await sources.checks()).map(({ name, ok }) => [{ check: name }, ok ? 1 : 0]),
  )
  gauge('forebay_disk_free_bytes', 'Free bytes on the disk of the state folder.', [], () => [[{}, sources.freeBytes()]])
  gauge('forebay_disk_free_bytes_min', 'Free bytes below which the server is not ready.', [], () => [[{}, sources.freeBytesMin]])
  gauge('forebay_build_info', '1, with the version as a label.', ['version'], () => [[{ version: sources.version }, 1]])

  gauge('forebay_nodes', 'Nodes by state.', ['state'], () => countByState(sources.nodes()))
  gauge('forebay_node_load_score', 'Processing load of a node from the lineage graph.', ['node'], async () => {
    // The graph also knows nodes that are gone and jobs of others: only slots of ours are series.
    const scores = await sources.loadScores()
    return sources.nodes().map(({ id }) => [{ node: id }, scores.get(id) ?? 0])
  })
  gauge(
    'forebay_warm_bytes',
    'Bytes of packs in the memory of a node.',
    ['node'],
    ofNodes((node) => node.warmBytes),
  )
  gauge(
    'forebay_node_memory_bytes',
    'Resident memory of a node.',
    ['node'],
    ofNodes((node) => node.memoryBytes),
  )
  gauge(
    'forebay_node_memory_limit_bytes',
    'Memory that a node was given.',
    ['node'],
    ofNodes((node) => node.memoryLimitBytes),
  )
  gauge(
    'forebay_node_running_tasks',
    'Tasks that run on a node.',
    ['node'],
    ofNodes((node) => node.runningTasks),
  )
  counter(
    'forebay_node_cpu_seconds_total',
    'CPU time of the process that fills a node.',
    ['node'],
    ofNodes((node) => node.cpuSeconds),
  )

  counter('process_cpu_seconds_total', 'CPU time of the coordinator, its planners and nodes not included.', [], () => {
    const { user, system } = process.cpuUsage()
    return [[{}, (user + system) / 1e6]]
  })
  gauge('process_resident_memory_bytes', 'Resident memory of the coordinator.', [], () => [[{}, process.memoryUsage.rss()]])
  gauge('process_start_time_seconds', 'Start of the coordinator, seconds since 1970.', [], () => [
    [{}, Math.round(Date.now() / 1000 - process.uptime())],
  ])
}

function measuredCoverage(coverage: ReturnType<MetricSources['coverage']>): Sample[] {
  return resourceNames
    .filter((resource) => coverage[resource].measured > 0)
    .map((resource) => [{ resource }, coverage[resource].coverage])
}

function countByState(nodes: readonly NodeStatus[]): Sample[] {
  return nodeStates.map((state) => [{ state }, nodes.filter((node) => node.state === state).length])
}
