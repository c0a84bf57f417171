/** What each dashboard shows. Every query is run against a real Prometheus by test/servers/prometheus-dashboards.servers.ts. */
import { chosen, dashboard, lines, row, stat } from './parts.mjs'

const rate = (metric, labels = '') => `rate(${metric}{${chosen}${labels === '' ? '' : `, ${labels}`}}[$__rate_interval])`
const by = (labels, expression) => `sum by (${labels}) (${expression})`
const quantile = (q, metric, labels = '') =>
  `histogram_quantile(${q}, ${by(labels === '' ? 'le' : `le, ${labels}`, rate(`${metric}_bucket`))})`
const mean = (metric) => `${by('instance', rate(`${metric}_sum`))} / ${by('instance', rate(`${metric}_count`))}`

/** All dashboards by file name. */
export const dashboards = { overview, queries, lineage, foresight, nodes }

function overview() {
  return dashboard('overview', 'Overview', 'Is it well, is it quick, and does what it prepares pay?')
    .withPanel(
      stat({
        title: 'Ready',
        about: 'Every check of /readyz holds on every chosen instance.',
        query: `min(forebay_ready{${chosen}})`,
        unit: 'bool_yes_no',
        limits: [
          [null, 'red'],
          [1, 'green'],
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Queries a second',
        about: 'All that ended, whichever way.',
        query: `sum(${rate('forebay_queries_total')})`,
        unit: 'reqps',
        decimals: 1,
      }),
    )
    .withPanel(
      stat({
        title: 'Failed',
        about: 'Share of the queries that failed.',
        query: `sum(${rate('forebay_queries_total', 'state="failed"')}) / sum(${rate('forebay_queries_total')})`,
        unit: 'percentunit',
        decimals: 1,
        limits: [
          [null, 'green'],
          [0.05, 'orange'],
          [0.2, 'red'],
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Wait p95',
        about: 'From arrival to the first task, one query in twenty waits longer.',
        query: quantile(0.95, 'forebay_queue_wait_seconds'),
        unit: 's',
        limits: [
          [null, 'green'],
          [1, 'orange'],
          [10, 'red'],
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Prepared reads',
        about: 'Share of the segments read that were packed or computed before.',
        query: `sum(${rate('forebay_segment_reads_total', 'tier=~"pack|reused"')}) / sum(${rate('forebay_segment_reads_total')})`,
        unit: 'percentunit',
        decimals: 0,
      }),
    )
    .withPanel(
      stat({
        title: 'Waiting saved, today',
        about: 'Measured against waits that nothing was prepared for, less what was made slower.',
        query: `sum(increase(forebay_allocation_saved_seconds_total{${chosen}}[24h])) - sum(increase(forebay_allocation_lost_seconds_total{${chosen}}[24h]))`,
        unit: 's',
        decimals: 1,
      }),
    )
    .withPanel(
      lines({
        title: 'Queries by how they ended',
        about: 'Queries a second.',
        queries: [[by('state', rate('forebay_queries_total')), '{{state}}']],
        unit: 'reqps',
        stacked: true,
      }),
    )
    .withPanel(
      lines({
        title: 'Time of a query',
        about: 'From arrival to the end of finished queries; points are single queries.',
        queries: [
          [quantile(0.5, 'forebay_query_seconds'), 'p50'],
          [quantile(0.95, 'forebay_query_seconds'), 'p95'],
          [quantile(0.99, 'forebay_query_seconds'), 'p99'],
        ],
        unit: 's',
        exemplars: true,
      }),
    )
    .withPanel(
      lines({
        title: 'Nodes',
        about: 'Slots by state.',
        queries: [[`sum by (state) (forebay_nodes{${chosen}})`, '{{state}}']],
        unit: 'none',
        stacked: true,
      }),
    )
    .withPanel(
      lines({
        title: 'Memory of the coordinator, and free disk',
        about: 'The coordinator alone; nodes have a dashboard of their own.',
        queries: [
          [`process_resident_memory_bytes{${chosen}}`, 'memory {{instance}}'],
          [`forebay_disk_free_bytes{${chosen}}`, 'free disk {{instance}}'],
        ],
        unit: 'bytes',
      }),
    )
}

function queries() {
  return dashboard('queries', 'Queries and queue', 'What waits, for how long, and what tasks do.')
    .withPanel(
      lines({
        title: 'Waiting',
        about: 'Queries and tasks that wait, by priority.',
        queries: [[`sum by (priority) (forebay_queue_depth{${chosen}})`, '{{priority}}']],
        unit: 'none',
        stacked: true,
      }),
    )
    .withPanel(
      lines({
        title: 'Wait for the first task',
        about: 'From arrival, planning included.',
        queries: [
          [quantile(0.5, 'forebay_queue_wait_seconds'), 'p50'],
          [quantile(0.95, 'forebay_queue_wait_seconds'), 'p95'],
          [quantile(0.99, 'forebay_queue_wait_seconds'), 'p99'],
        ],
        unit: 's',
        exemplars: true,
      }),
    )
    .withPanel(
      lines({
        title: 'Time of a query, p95 by priority',
        about: 'From arrival to the end of finished queries.',
        queries: [[quantile(0.95, 'forebay_query_seconds', 'priority'), '{{priority}}']],
        unit: 's',
      }),
    )
    .withPanel(
      lines({
        title: 'Under way',
        about: 'Queries of clients that have not ended, waiting ones included.',
        queries: [[`forebay_queries_running{${chosen}}`, '{{instance}}']],
        unit: 'none',
      }),
    )
    .withPanel(
      lines({
        title: 'Tasks by role',
        about: 'Attempts that ended, a second.',
        queries: [[by('role', rate('forebay_tasks_total', 'state="finished"')), '{{role}}']],
        unit: 'ops',
      }),
    )
    .withPanel(
      lines({
        title: 'Failed tasks',
        about: 'Attempts that failed: the loss of a node costs one, and so does an error of the statement.',
        queries: [[by('role', rate('forebay_tasks_total', 'state="failed"')), '{{role}}']],
        unit: 'ops',
      }),
    )
    .withPanel(
      lines({
        title: 'Segments read, by tier',
        about: 'Packs are warm, Parquet is not; reused is what was computed before, remote came from another node.',
        queries: [[by('tier', rate('forebay_segment_reads_total')), '{{tier}}']],
        unit: 'ops',
        stacked: true,
      }),
    )
    .withPanel(
      lines({
        title: 'Bytes moved',
        about: 'By what was moved and between which kinds of node.',
        queries: [
          [
            by('kind, source_kind, destination_kind', rate('forebay_transfer_bytes_total')),
            '{{kind}} {{source_kind}} → {{destination_kind}}',
          ],
        ],
        unit: 'Bps',
        stacked: true,
      }),
    )
}

function lineage() {
  return dashboard(
    'lineage',
    'Lineage and stores',
    'What is recorded, how soon it is durable, and how far the stores are behind.',
  )
    .withPanel(
      lines({
        title: 'Events',
        about: 'Lineage events that became durable, a second.',
        queries: [[by('instance', rate('forebay_lineage_events_total')), '{{instance}}']],
        unit: 'ops',
      }),
    )
    .withPanel(
      lines({
        title: 'Time until durable',
        about: 'Of a batch. No query waits for it.',
        queries: [
          [quantile(0.5, 'forebay_lineage_commit_seconds'), 'p50'],
          [quantile(0.99, 'forebay_lineage_commit_seconds'), 'p99'],
        ],
        unit: 's',
      }),
    )
    .withPanel(
      lines({
        title: 'Behind',
        about: 'Events of the log that a store has not applied yet.',
        queries: [[`forebay_lineage_lag_events{${chosen}}`, '{{store}} {{instance}}']],
        unit: 'none',
      }),
    )
    .withPanel(
      lines({
        title: 'Segments',
        about: 'Base segments, those of them in packs, and derived segments whose bytes are kept.',
        queries: [[`sum by (tier) (forebay_segments{${chosen}})`, '{{tier}}']],
        unit: 'none',
      }),
    )
    .withPanel(
      lines({
        title: 'Transfers',
        about: 'Segments moved, a second.',
        queries: [
          [
            by('kind, source_kind, destination_kind', rate('forebay_transfers_total')),
            '{{kind}} {{source_kind}} → {{destination_kind}}',
          ],
        ],
        unit: 'ops',
      }),
    )
    .withPanel(
      lines({
        title: 'Free disk',
        about: 'Of the state folder, and the limit below which the server is not ready.',
        queries: [
          [`forebay_disk_free_bytes{${chosen}}`, 'free {{instance}}'],
          [`forebay_disk_free_bytes_min{${chosen}}`, 'limit {{instance}}'],
        ],
        unit: 'bytes',
      }),
    )
}

function foresight() {
  return dashboard('foresight', 'Foresight and ledger', 'How good predictions are, and whether acting on them pays.')
    .withRow(row('Prediction'))
    .withPanel(
      lines({
        title: 'Error',
        about: 'The larger of predicted and actual over the smaller; 1 is exact. Median by resource.',
        queries: [[quantile(0.5, 'forebay_prediction_q_error', 'resource'), '{{resource}}']],
        unit: 'none',
        span: 8,
      }),
    )
    .withPanel(
      lines({
        title: 'Intervals that held',
        about: 'Share of the last outcomes inside their interval; 90 % is promised.',
        queries: [[`forebay_prediction_interval_coverage{${chosen}}`, '{{resource}} {{instance}}']],
        unit: 'percentunit',
        max: 1,
        span: 8,
      }),
    )
    .withPanel(
      lines({
        title: 'Time of a prediction',
        about: 'A query waits for it.',
        queries: [
          [mean('forebay_prediction_seconds'), 'mean {{instance}}'],
          [quantile(0.99, 'forebay_prediction_seconds'), 'p99'],
        ],
        unit: 's',
        span: 8,
      }),
    )
    .withRow(row('Forecasts and what was done about them'))
    .withPanel(
      lines({
        title: 'Forecasts',
        about: 'Whose window is over, by whether the query came.',
        queries: [[`sum by (outcome) (increase(forebay_forecasts_total{${chosen}}[1h]))`, '{{outcome}}']],
        unit: 'none',
        span: 8,
      }),
    )
    .withPanel(
      lines({
        title: 'Allocations by outcome',
        about: 'Settled within the hour. Held-out ones are the yardstick: nothing was done for them.',
        queries: [[`sum by (outcome) (increase(forebay_allocations_total{${chosen}}[1h]))`, '{{outcome}}']],
        unit: 'none',
        stacked: true,
        span: 8,
      }),
    )
    .withPanel(
      lines({
        title: 'Allocations by action',
        about: 'Used ones, within the hour.',
        queries: [[`sum by (action) (increase(forebay_allocations_total{${chosen}, outcome="used"}[1h]))`, '{{action}}']],
        unit: 'none',
        span: 8,
      }),
    )
    .withPanel(
      lines({
        title: 'Waiting saved and added',
        about: 'Seconds within the hour, measured against waits that nothing was prepared for.',
        queries: [
          [`sum(increase(forebay_allocation_saved_seconds_total{${chosen}}[1h]))`, 'saved'],
          [`sum(increase(forebay_allocation_lost_seconds_total{${chosen}}[1h]))`, 'added'],
        ],
        unit: 's',
        span: 8,
      }),
    )
    .withPanel(
      lines({
        title: 'Held for it',
        about: 'Memory and disk of settled allocations, in gibibyte-hours within the hour.',
        queries: [[`sum(increase(forebay_allocation_cost_byte_seconds_total{${chosen}}[1h])) / 2^30 / 3600`, 'GiB·h']],
        unit: 'none',
        span: 8,
      }),
    )
    .withPanel(
      lines({
        title: 'Bytes prepared ahead',
        about: 'By what became of them, within the hour.',
        queries: [[`sum by (outcome) (increase(forebay_prefetch_bytes_total{${chosen}}[1h]))`, '{{outcome}}']],
        unit: 'bytes',
        span: 8,
      }),
    )
}

function nodes() {
  return dashboard('nodes', 'Nodes', 'What each node holds and does.')
    .withPanel(
      lines({
        title: 'Load score',
        about: 'Decayed work on hot segments times its complexity, from the lineage graph.',
        queries: [[`forebay_node_load_score{${chosen}}`, '{{node}} {{instance}}']],
        unit: 'none',
      }),
    )
    .withPanel(
      lines({
        title: 'Memory',
        about: 'Resident memory of each node and what it was given.',
        queries: [
          [`forebay_node_memory_bytes{${chosen}}`, '{{node}} {{instance}}'],
          [`forebay_node_memory_limit_bytes{${chosen}}`, 'given to {{node}} {{instance}}'],
        ],
        unit: 'bytes',
      }),
    )
    .withPanel(
      lines({
        title: 'CPU',
        about: 'Cores in use by each node.',
        queries: [[rate('forebay_node_cpu_seconds_total'), '{{node}} {{instance}}']],
        unit: 'none',
      }),
    )
    .withPanel(
      lines({
        title: 'Warm bytes',
        about: 'Bytes of packs in the memory of each node.',
        queries: [[`forebay_warm_bytes{${chosen}}`, '{{node}} {{instance}}']],
        unit: 'bytes',
      }),
    )
    .withPanel(
      lines({
        title: 'Running tasks',
        about: 'At the moment of the scrape.',
        queries: [[`forebay_node_running_tasks{${chosen}}`, '{{node}} {{instance}}']],
        unit: 'none',
      }),
    )
    .withPanel(
      lines({
        title: 'Lost processes',
        about: 'Processes that ended without being asked to, within 15 minutes.',
        queries: [[`increase(forebay_node_restarts_total{${chosen}}[15m])`, '{{node}} {{instance}}']],
        unit: 'none',
      }),
    )
}
