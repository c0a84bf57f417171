/**
 * The counters and histograms that are fed by what happens, with their help and buckets. Names, units and labels are promised in
 * docs/monitoring.md. Labels take values from closed lists only, never an id, SQL or a user's text.
 */
import { Counter, Histogram, Registry } from 'prom-client'
import { type AllocationOutcome, actionKinds } from '../../model/forecast.js'
import { priorities } from '../../model/priority.js'
import { resourceNames } from '../../model/resources.js'

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const short = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1]
const factors = [1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100]

export type Instruments = ReturnType<typeof declareInstruments>

/** Declares them in a registry, every series of a closed list at zero: what does not exist cannot be told from what nobody counts. */
export function declareInstruments(registry: Registry) {
  const counter = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name: `forebay_${name}`, help, labelNames, registers: [registry] })
  const histogram = <L extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[] = [],
    enableExemplars = false,
  ): Histogram<L> => {
    // prom-client takes exemplars in a registry of the other format only, but keeps them wherever the metric is asked.
    const scratch = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
    scratch.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    const registers = [scratch as unknown as Registry]
    const made = new Histogram({ name: `forebay_${name}`, help, buckets, labelNames, registers, enableExemplars })
    registry.registerMetric(made)
    return made
  }

  const moved = ['kind', 'source_kind', 'destination_kind'] as const
  const instruments = {
    queries: counter('queries_total', 'Queries that have ended, by state and priority.', ['state', 'priority']),
    querySeconds: histogram('query_seconds', 'Time from arrival to the end of a finished query.', seconds, ['priority'], true),
    queueWait: histogram('queue_wait_seconds', 'Time from arrival to the start of the first task.', seconds, [], true),
    tasks: counter('tasks_total', 'Attempts of tasks that have ended, by role and state.', ['role', 'state']),
    transfers: counter('transfers_total', 'Segments moved, by what they are and between which kinds of node.', moved),
    transferBytes: counter('transfer_bytes_total', 'Bytes of the segments moved.', moved),
    events: counter('lineage_events_total', 'Lineage events that are durable in the log.'),
    commit: histogram('lineage_commit_seconds', 'Time until a batch of lineage events was durable.', short),
    reads: counter('segment_reads_total', 'Segments read by tasks, by the tier they came from.', ['tier']),
    prediction: histogram('prediction_seconds', 'Time to predict what a query needs.', short),
    qError: histogram(
      'prediction_q_error',
      'How far predictions were off: the larger of predicted and actual over the smaller.',
      factors,
      ['resource'],
    ),
    intervals: counter('prediction_intervals_total', 'Predicted intervals by whether the outcome fell inside.', [
      'resource',
      'outcome',
    ]),
    forecasts: counter('forecasts_total', 'Forecasts whose window is over, by whether the query came.', ['outcome']),
    allocations: counter('allocations_total', 'Proactive actions that are settled, by kind and outcome.', ['action', 'outcome']),
    saved: counter('allocation_saved_seconds_total', 'Waiting that used allocations saved, as measured.'),
    lost: counter('allocation_lost_seconds_total', 'Waiting that used allocations added where they made it longer, as measured.'),
    cost: counter('allocation_cost_byte_seconds_total', 'Memory and disk that settled allocations held, times how long.'),
    prefetched: counter('prefetch_bytes_total', 'Bytes prepared ahead, by what became of them.', ['outcome']),
    restarts: counter('node_restarts_total', 'Processes of a node that ended without being asked to.', ['node']),
  }
  startAtZero(instruments)
  return instruments
}

function startAtZero(all: Instruments): void {
  for (const priority of priorities) {
    for (const state of ['finished', 'failed', 'cancelled']) all.queries.inc({ state, priority }, 0)
  }
  for (const role of ['leaf', 'aggregator', 'root']) {
    for (const state of ['finished', 'failed']) all.tasks.inc({ role, state }, 0)
  }
  for (const tier of ['pack', 'parquet', 'remote', 'reused']) all.reads.inc({ tier }, 0)
  for (const outcome of ['met', 'missed']) all.forecasts.inc({ outcome }, 0)
  for (const outcome of ['used', 'wasted']) all.prefetched.inc({ outcome }, 0)
  for (const kind of ['base', 'derived']) {
    all.transfers.inc({ kind, source_kind: 'storage', destination_kind: 'duckdb' }, 0)
    all.transferBytes.inc({ kind, source_kind: 'storage', destination_kind: 'duckdb' }, 0)
  }
  for (const resource of resourceNames) {
    for (const outcome of ['inside', 'outside']) all.intervals.inc({ resource, outcome }, 0)
  }
  const outcomes: readonly AllocationOutcome[] = ['used', 'wasted', 'held-out', 'revoked', 'failed']
  for (const action of actionKinds) for (const outcome of outcomes) all.allocations.inc({ action, outcome }, 0)
}
