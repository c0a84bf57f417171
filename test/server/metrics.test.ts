import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseMetrics, type Sample, total } from '../support/metrics-text.js'
import { copy, writeSmallLake } from '../support/small-lake.js'
import { startServer, type TestServer } from '../support/start-server.js'

/** A workload whose every count is known, then the page of metrics against what the server says elsewhere that happened. */
const root = mkdtempSync(join(tmpdir(), 'forebay-metrics-'))
let server: TestServer
let before: readonly Sample[]
let after: readonly Sample[]
let history: readonly Status[]
let transfers: readonly { source: string; destination: string; bytes: number; queryId?: string }[]
let openMetrics: string
/** While one query runs and others wait for it: the page, and what the server says of queries and nodes. */
let busy: { page: readonly Sample[]; waiting: readonly Status[]; nodes: readonly NodeBody[] }

interface NodeBody {
  readonly id: string
  readonly state: string
  readonly pid: number
  readonly memoryBytes: number
  readonly memoryLimitBytes: number
  readonly warmBytes: number
  readonly runningTasks: number
  readonly cpu: number
  readonly loadScore: number
}

interface Status {
  readonly queryId: string
  readonly state: string
  readonly priority: string
  readonly submittedAt: string
  readonly startedAt?: string
  readonly tasks: readonly { role: string; state: string }[]
  readonly actual: Readonly<Record<'totalMs' | 'cpuMs' | 'memoryBytes' | 'networkBytes' | 'wallMs', number>> & {
    readonly tiers: Readonly<Record<string, number>>
    readonly reused: boolean
  }
  readonly predicted?: Record<string, { p50: number }>
}

const scrape = async (): Promise<readonly Sample[]> => parseMetrics((await server.call('/metrics')).body)
const grown = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
  total(after, name, labels) - total(before, name, labels)
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)

/** Asks again and again; the hook's own limit ends it. */
async function until(holds: () => Promise<boolean>, everyMs = 20): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, everyMs))
}

beforeAll(async () => {
  await writeSmallLake(join(root, 'data'))
  await copy({ [join(root, 'data', 'wide.parquet')]: 'SELECT i::BIGINT AS i FROM range(2000000) t(i)' })
  // One runs at a time, so that it is known what waits.
  writeFileSync(join(root, 'forebay.yaml'), 'limits: { runningQueries: 1 }')
  server = await startServer({ data: join(root, 'data'), flags: ['--proactive', 'off', '--config', join(root, 'forebay.yaml')] })
  // The probe of the start is counted after the server is ready.
  const given = { source_kind: 'duckdb', destination_kind: 'client' }
  await until(async () => total((before = await scrape()), 'forebay_transfers_total', given) === 1)
  const group = 'SELECT region, count(*) FROM sales GROUP BY region'
  await server.query(`${group} ORDER BY region`, { tree: 'always' })
  await server.query(group, { tree: 'always' })
  await server.query(group, { tree: 'always' })
  await server.query('SELECT sum(i) FROM numbers', { priority: 'batch' })
  await server.query('SELECT sum(half) FROM numbers', { priority: 'background' })
  await expect(server.query('SELECT CAST(name AS INTEGER) FROM numbers')).rejects.toThrow()
  const slow = 'SELECT count(*) FROM wide a, wide b WHERE a.i + b.i = 7'
  const later = async (priority: string): Promise<string> =>
    (await server.call('/v1/queries', { body: { sql: slow, priority } })).body.queryId
  const state = async (queryId: string): Promise<string> => (await server.call(`/v1/queries/${queryId}`)).body.state
  const ids = [await later('interactive')]
  await until(async () => (await state(ids[0] ?? '')) === 'running')
  ids.push(...(await Promise.all(['batch', 'batch', 'background'].map(later))))
  const waiting = async (): Promise<readonly Status[]> => (await server.call('/v1/queries?state=waiting')).body.queries
  await until(async () => (await waiting()).length === 3)
  const nodesNow = async (): Promise<readonly NodeBody[]> => (await server.call('/v1/nodes')).body
  await until(async () => (await nodesNow()).some(({ runningTasks }) => runningTasks > 0))
  busy = { page: await scrape(), waiting: await waiting(), nodes: await nodesNow() }
  for (const id of ids.toReversed()) await server.call(`/v1/queries/${id}`, { method: 'DELETE' })
  for (const id of ids) await until(async () => (await state(id)) === 'cancelled')
  // Events come in batches after the answers: all was told of one state if nothing was counted meanwhile, nor for a while before.
  const events = (page: readonly Sample[]): number => total(page, 'forebay_lineage_events_total')
  let known = before
  await until(async () => {
    const quietSince = known
    after = await scrape()
    openMetrics = (await server.call('/metrics', { headers: { accept: 'application/openmetrics-text; version=1.0.0' } })).body
    history = (await server.call('/v1/queries?limit=100')).body.queries
    history = await Promise.all(history.map(async (query) => (await server.call(`/v1/queries/${query.queryId}`)).body))
    transfers = (await server.call('/v1/transfers?limit=1000')).body.transfers
    known = await scrape()
    const still = events(quietSince) === events(after) && events(after) === events(known)
    return still && [after, known].every((page) => total(page, 'forebay_lineage_lag_events') === 0)
  }, 600)
}, 60_000)
afterAll(async () => {
  await server?.stop()
  rmSync(root, { recursive: true, force: true })
})

describe('queries and tasks', () => {
  it('counts each query once, by how it ended and how urgent it was', () => {
    const truth = {
      'finished interactive': 3,
      'finished batch': 1,
      'finished background': 1,
      'failed interactive': 1,
      'cancelled interactive': 1,
      'cancelled batch': 2,
      'cancelled background': 1,
    }
    const counted: Record<string, number> = {}
    for (const { labels, value } of after.filter(({ name }) => name === 'forebay_queries_total')) {
      if (value > 0) counted[`${labels['state']} ${labels['priority']}`] = value
    }
    expect(counted).toEqual(truth)
    expect(history).toHaveLength(10)
  })

  it('times finished queries as their statuses do, and every started one until its first task', () => {
    const finished = history.filter(({ state }) => state === 'finished')
    expect(grown('forebay_query_seconds_count')).toBe(5)
    expect(grown('forebay_query_seconds_sum')).toBeCloseTo(sum(finished.map(({ actual }) => actual.totalMs)) / 1000, 6)
    const started = history.filter(({ startedAt }) => startedAt !== undefined)
    const waits = started.map(({ startedAt, submittedAt }) => Date.parse(startedAt ?? '') - Date.parse(submittedAt))
    expect(grown('forebay_queue_wait_seconds_count')).toBe(started.length)
    expect(grown('forebay_queue_wait_seconds_sum')).toBeCloseTo(sum(waits) / 1000, 6)
  })

  it('tells what runs and what waits, by priority, and that nothing is left of it', () => {
    const waits = (wanted: string): number => busy.waiting.filter(({ priority }) => priority === wanted).length
    expect([waits('batch'), waits('background')]).toEqual([2, 1])
    for (const priority of ['proactive', 'interactive', 'batch', 'background']) {
      expect([priority, total(busy.page, 'forebay_queue_depth', { priority })]).toEqual([priority, waits(priority)])
    }
    expect(total(busy.page, 'forebay_queries_running')).toBe(4)
    for (const { id, runningTasks } of busy.nodes) {
      expect([id, total(busy.page, 'forebay_node_running_tasks', { node: id })]).toEqual([id, runningTasks])
    }
    expect(total(after, 'forebay_queries_running')).toBe(0)
    expect(total(after, 'forebay_queue_depth')).toBe(0)
  })

  it('counts the tasks that ended, by role and state', () => {
    const ended = history.flatMap(({ tasks }) => tasks)
    for (const role of ['leaf', 'aggregator', 'root']) {
      for (const state of ['finished', 'failed']) {
        const truth = ended.filter((task) => task.role === role && task.state === state).length
        expect([role, state, grown('forebay_tasks_total', { role, state })]).toEqual([role, state, truth])
      }
    }
    expect(grown('forebay_tasks_total', { role: 'leaf', state: 'finished' })).toBeGreaterThanOrEqual(2)
    expect(grown('forebay_tasks_total', { state: 'failed' })).toBeGreaterThanOrEqual(2)
  })
})

describe('data', () => {
  it('counts the segments read by tier as the accounts of the queries do', () => {
    // An answer that is still in the server's memory is read by no task.
    const finished = history.filter(({ state, tasks }) => state === 'finished' && tasks.length > 0)
    for (const tier of ['pack', 'parquet', 'remote', 'reused']) {
      const truth = sum(finished.map(({ actual }) => actual.tiers[tier] ?? 0))
      expect([tier, grown('forebay_segment_reads_total', { tier })]).toEqual([tier, truth])
    }
    expect(grown('forebay_segment_reads_total', { tier: 'parquet' })).toBeGreaterThanOrEqual(5)
    expect(grown('forebay_segment_reads_total', { tier: 'reused' })).toBeGreaterThan(0)
  })

  it('counts transfers and their bytes as the log of transfers has them', () => {
    const kindOf = (node: string): string => (/^n\d+$/.test(node) ? 'duckdb' : node)
    // The probe at the start came before the first page.
    const moved = transfers.filter(
      ({ source, destination, queryId }) => source !== destination && queryId?.startsWith('probe-') !== true,
    )
    const counted = (name: string, source_kind: string, destination_kind: string): number =>
      grown(name, { source_kind, destination_kind })
    for (const [source, destination] of [
      ['storage', 'duckdb'],
      ['duckdb', 'client'],
      ['duckdb', 'duckdb'],
    ] as const) {
      const some = moved.filter((move) => kindOf(move.source) === source && kindOf(move.destination) === destination)
      expect([source, destination, counted('forebay_transfers_total', source, destination), some]).toEqual([
        source,
        destination,
        some.length,
        some,
      ])
      expect(counted('forebay_transfer_bytes_total', source, destination)).toBe(sum(some.map(({ bytes }) => bytes)))
    }
    expect(counted('forebay_transfers_total', 'duckdb', 'client')).toBe(5)
  })

  it('says which segments exist', async () => {
    const { tables } = (await server.call('/v1/tables')).body
    expect(total(after, 'forebay_segments', { tier: 'parquet' })).toBe(
      sum(tables.map(({ segments }: { segments: number }) => segments)),
    )
    expect(total(after, 'forebay_segments', { tier: 'derived' })).toBeGreaterThan(0)
  })
})

describe('lineage', () => {
  it('counts every event that is durable once, and no lag is left', async () => {
    const events = async (): Promise<number> => (await server.call('/v1/lineage/verify', { method: 'POST' })).body.events
    const uncounted = async (): Promise<number> => (await events()) - total(await scrape(), 'forebay_lineage_events_total')
    await expect.poll(uncounted, { timeout: 5_000 }).toBe(0)
    const commits = total(after, 'forebay_lineage_commit_seconds_count')
    expect(commits).toBeGreaterThan(0)
    expect(commits).toBeLessThanOrEqual(total(after, 'forebay_lineage_events_total'))
    expect(total(after, 'forebay_lineage_commit_seconds_sum')).toBeGreaterThan(0)
    expect(after.some(({ name }) => name === 'forebay_lineage_lag_events')).toBe(true)
    await expect.poll(async () => total(await scrape(), 'forebay_lineage_lag_events')).toBe(0)
    expect(after.filter(({ name }) => name === 'forebay_lineage_set_aside_events').map(({ value }) => value)).toEqual([0])
  })
})

describe('prediction', () => {
  it('times each prediction, and holds each against what happened', () => {
    const planned = history.filter(({ predicted }) => predicted !== undefined)
    expect(grown('forebay_prediction_seconds_count')).toBe(planned.length)
    const computed = history.filter(({ state, actual }) => state === 'finished' && !actual.reused)
    expect(computed.length).toBeGreaterThan(3)
    for (const resource of ['cpuMs', 'memoryBytes', 'networkBytes', 'wallMs'] as const) {
      const errors = computed.map(({ predicted, actual }) => {
        const [said = 1, was = 1] = [predicted?.[resource]?.p50, actual[resource]].map((value) => Math.max(1, value ?? 1))
        return Math.max(said / was, was / said)
      })
      expect([resource, grown('forebay_prediction_q_error_count', { resource })]).toEqual([resource, computed.length])
      expect([resource, grown('forebay_prediction_q_error_sum', { resource }) / sum(errors)]).toEqual([
        resource,
        expect.closeTo(1, 3),
      ])
    }
    const scored = grown('forebay_prediction_q_error_count', { resource: 'wallMs' })
    expect(scored).toBeGreaterThan(0)
    expect(grown('forebay_prediction_intervals_total', { resource: 'wallMs' })).toBe(scored)
    const inside = grown('forebay_prediction_intervals_total', { resource: 'wallMs', outcome: 'inside' })
    expect(total(after, 'forebay_prediction_interval_coverage', { resource: 'wallMs' })).toBeCloseTo(inside / scored, 6)
  })
})

describe('nodes', () => {
  it('tells state, memory and load of each slot', async () => {
    const nodes = (await server.call('/v1/nodes')).body as readonly NodeBody[]
    expect(total(after, 'forebay_nodes', { state: 'ready' })).toBe(nodes.filter(({ state }) => state === 'ready').length)
    expect(total(after, 'forebay_nodes')).toBe(nodes.length)
    const gauges = {
      forebay_node_memory_bytes: 'memoryBytes',
      forebay_node_memory_limit_bytes: 'memoryLimitBytes',
      forebay_node_cpu_seconds_total: 'cpu',
      forebay_node_load_score: 'loadScore',
      forebay_warm_bytes: 'warmBytes',
    } as const
    // Nodes tell of themselves every second, perhaps between the page and the answer; the graph of loads is a moment behind.
    const differing = async (): Promise<readonly unknown[]> => {
      const page = await scrape()
      const told = (await server.call('/v1/nodes')).body as readonly NodeBody[]
      return told.flatMap((node) =>
        Object.entries(gauges).flatMap(([name, field]) => {
          const shown = total(page, name, { node: node.id })
          return Math.abs(shown - node[field]) <= 1e-9 * shown ? [] : [[node.id, name, shown, node[field]]]
        }),
      )
    }
    await expect.poll(differing, { timeout: 20_000 }).toEqual([])
    for (const name of Object.keys(gauges)) expect([name, total(after, name) > 0]).toEqual([name, true])
  })

  it('counts a node that was killed', async () => {
    const [node] = (await server.call('/v1/nodes')).body as { id: string; pid: number }[]
    const counted = async (): Promise<number> => total(await scrape(), 'forebay_node_restarts_total', { node: node?.id ?? '' })
    expect(await counted()).toBe(0)
    process.kill(node?.pid ?? 0, 'SIGKILL')
    await expect.poll(counted).toBe(1)
  })
})

describe('the page', () => {
  it('says that all checks of /readyz hold, and how much disk is free', () => {
    for (const check of ['query', 'log', 'disk']) expect(total(after, 'forebay_ready', { check })).toBe(1)
    expect(total(after, 'forebay_disk_free_bytes')).toBeGreaterThan(total(after, 'forebay_disk_free_bytes_min'))
    expect(total(after, 'process_resident_memory_bytes')).toBeGreaterThan(1e7)
  })

  it('has no label of a user: no SQL, no query id, no table', () => {
    const values = new Set(after.flatMap(({ labels }) => Object.values(labels)))
    for (const { queryId } of history) expect(values.has(queryId)).toBe(false)
    expect([...values].filter((value) => /sales|numbers|SELECT/i.test(value))).toEqual([])
    expect(after.length).toBeLessThan(500)
  })

  it('comes as OpenMetrics with exemplars that name a query', () => {
    expect(openMetrics.endsWith('\n# EOF\n')).toBe(true)
    expect(openMetrics).toContain('# TYPE forebay_queries counter')
    const named = [...openMetrics.matchAll(/^forebay_query_seconds_bucket\S+ \d+ # \{query_id="([^"]+)"/gm)].map(([, id]) => id)
    expect(named.length).toBeGreaterThan(0)
    for (const id of named) expect(history.map(({ queryId }) => queryId)).toContain(id)
  })
})

describe('a graph database that never answers', () => {
  it('is behind by every event, while the embedded graph is not', async () => {
    const sockets: Socket[] = []
    const hanging = createServer((socket) => sockets.push(socket.on('error', () => {})))
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
    const { port } = hanging.address() as { port: number }
    const other = await startServer({ flags: ['--proactive', 'off', '--lineage', `neo4j://a:b@127.0.0.1:${port}`] })
    await other.query('SELECT 1 AS one')
    const lag = async (): Promise<readonly unknown[]> => {
      const { events } = (await other.call('/v1/lineage/verify', { method: 'POST' })).body
      const page = parseMetrics((await other.call('/metrics')).body)
      return [events > 0, total(page, 'forebay_lineage_lag_events', { store: 'neo4j' }) - events]
    }
    await expect.poll(lag, { timeout: 10_000 }).toEqual([true, 0])
    await expect
      .poll(async () =>
        total(parseMetrics((await other.call('/metrics')).body), 'forebay_lineage_lag_events', { store: 'sqlite' }),
      )
      .toBe(0)
    await other.stop()
    for (const socket of sockets) socket.destroy()
    hanging.close()
  })
})
