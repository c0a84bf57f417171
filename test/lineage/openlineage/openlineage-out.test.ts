import { appendFileSync, readFileSync, renameSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EventSender, type Transport, TransportError } from '../../../src/lineage/openlineage/out/event-sender.js'
import { FileTransport } from '../../../src/lineage/openlineage/out/file-transport.js'
import { QueryReporter } from '../../../src/lineage/openlineage/out/query-reporter.js'
import { validateEvent } from '../../../src/lineage/openlineage/validate-event.js'
import type { LineageEvent } from '../../../src/model/lineage-event.js'
import type { QueryStatus } from '../../../src/model/query.js'
import { openLineageFromEnvironment } from '../../../src/server/open-lineage-environment.js'
import { baseRead, output, taskEvent, temporaryFolder } from '../lineage-fixtures.js'

/** A transport that fails as often as it is told, then keeps what it gets. */
function transport(...failures: Error[]): Transport & { readonly got: object[] } {
  const got: object[] = []
  return {
    got,
    send: async (event) => {
      const failure = failures.shift()
      if (failure !== undefined) throw failure
      got.push(JSON.parse(event))
    },
    close: async () => {},
  }
}

const sender = (to: Transport, bufferMax = 100): EventSender =>
  new EventSender({ transport: to, bufferMax, timeoutMs: 1000, onError: () => {} })

const status = (state: QueryStatus['state'], more: Partial<QueryStatus> = {}): QueryStatus => ({
  queryId: 'q-1',
  sql: "SELECT sum(a) FROM t WHERE b = 'secret'",
  state,
  priority: 'interactive',
  tenant: 'default',
  template: 'SELECT sum(a) FROM t WHERE b = ?',
  fingerprint: '0123456789abcdef',
  submittedAt: Date.UTC(2026, 0, 31, 10),
  progress: 0,
  stages: [],
  tasks: [],
  ...more,
})

describe('the sender of events', () => {
  it('tries again what may work later, drops what will not, and keeps the order', async () => {
    const to = transport(new TransportError('503', true), new TransportError('400', false))
    const sending = sender(to)
    for (const n of [1, 2, 3]) sending.offer({ n })
    await sending.close(5_000)
    expect(to.got).toEqual([{ n: 2 }, { n: 3 }])
    expect(sending.stats()).toEqual({ sent: 2, dropped: 1, waiting: 0 })
  })

  it('keeps no more than it may, and ends while the receiver is away', async () => {
    const away: Transport = { send: async () => Promise.reject(new TransportError('away', true)), close: async () => {} }
    const sending = sender(away, 3)
    for (let n = 0; n < 10; n++) sending.offer({ n })
    expect(sending.stats()).toMatchObject({ dropped: 7, waiting: 3 })
    await sending.close(1)
    expect(sending.stats()).toMatchObject({ sent: 0, waiting: 3 })
  })

  it('keeps no more characters than it may, however few events they are', async () => {
    const away: Transport = { send: async () => Promise.reject(new TransportError('away', true)), close: async () => {} }
    const sending = sender(away, 1_000)
    const sql = 'x'.repeat(1 << 20)
    for (let n = 0; n < 70; n++) sending.offer({ n, sql })
    expect(sending.stats()).toMatchObject({ dropped: 7, waiting: 63 })
    sending.offer({ sql: 'x'.repeat(65 << 20) })
    expect(sending.stats()).toMatchObject({ dropped: 70, waiting: 1 })
    await sending.close(1)
  })

  it('drops none that is on its way, and counts each event once', async () => {
    let arrive = (): void => {}
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve
    })
    const got: object[] = []
    const slow: Transport = { send: (event) => arrived.then(() => void got.push(JSON.parse(event))), close: async () => {} }
    const sending = sender(slow, 2)
    for (const n of [1, 2, 3]) sending.offer({ n })
    arrive()
    await sending.close(5_000)
    expect(got).toEqual([{ n: 1 }, { n: 3 }])
    expect(sending.stats()).toEqual({ sent: 2, dropped: 1, waiting: 0 })
  })

  it('begins a new line in a file where a part of an event was written', async () => {
    const path = join(temporaryFolder(), 'events.ndjson')
    const to = new FileTransport(path)
    await to.send('{"n":1}')
    // A full disk takes a part.
    const file = await open(path)
    const proto = Object.getPrototypeOf(file) as FileHandle
    await file.close()
    vi.spyOn(proto, 'appendFile').mockImplementationOnce(() => {
      appendFileSync(path, '{"n"')
      return Promise.reject(new Error('ENOSPC'))
    })
    await expect(to.send('{"n":2}')).rejects.toThrow('ENOSPC')
    for (const n of [2, 3]) await to.send(`{"n":${n}}`)
    await to.close()
    expect(readFileSync(path, 'utf8')).toBe('{"n":1}\n{"n"\n{"n":2}\n{"n":3}\n')
    vi.restoreAllMocks()
  })

  it('begins a new file where the one before was renamed', async () => {
    const path = join(temporaryFolder(), 'events.ndjson')
    const to = new FileTransport(path)
    await to.send('{"n":1}')
    renameSync(path, `${path}.1`)
    await to.send('{"n":2}')
    await to.close()
    expect([`${path}.1`, path].map((each) => readFileSync(each, 'utf8'))).toEqual(['{"n":1}\n', '{"n":2}\n'])
  })

  it('appends to a file, one event a line', async () => {
    const path = join(temporaryFolder(), 'events.ndjson')
    for (const n of [1, 2]) {
      const sending = sender(new FileTransport(path))
      sending.offer({ n })
      await sending.close(5_000)
    }
    expect(readFileSync(path, 'utf8')).toBe('{"n":1}\n{"n":2}\n')
  })
})

describe('the report of a query', () => {
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into events freely
  async function reported(sql: 'text' | 'template' | 'none', ...steps: ((reporter: QueryReporter) => void)[]): Promise<any[]> {
    const to = transport()
    const reporter = new QueryReporter(sender(to), {
      namespace: 'lake',
      version: '1.0.0',
      sql,
      table: () => ({ columns: [{ name: 'a', type: 'BIGINT' }], path: '/lake/t' }),
    })
    for (const step of steps) step(reporter)
    await reporter.close()
    return to.got
  }
  const notice = (state: QueryStatus) => (reporter: QueryReporter) => reporter.notice({ type: 'query', status: state })
  const task = taskEvent('t-1', { base: [baseRead('S1', 't', [0, 1])], output: output('d-1') })
  const record = (reporter: QueryReporter): void =>
    reporter.recorded([
      { ...task, queryId: 'q-1' },
      { ...task, queryId: 'q-1' },
    ])

  it('says what was read, by which nodes and at what cost, and is a valid event', async () => {
    const [start, end] = await reported('text', notice(status('running')), notice(status('finished')), record)
    expect(end.run.runId).toBe(start.run.runId)
    expect(end.inputs).toMatchObject([
      { namespace: 'lake', name: 't', facets: { symlinks: { identifiers: [{ name: '/lake/t' }] } } },
    ])
    expect(end.inputs[0].inputFacets.inputStatistics.rowCount).toBe(task.baseReads[0]?.rows)
    const { nodes, transfers, costs } = end.run.facets.forebay_execution
    expect(nodes).toMatchObject([{ node: task.node, tasks: 1, cpuMs: task.cost.cpuMicros / 1000 }])
    expect(transfers.length).toBeGreaterThan(0)
    expect(costs.cpuMs).toBe(task.cost.cpuMicros / 1000)
    for (const event of [start, end]) expect(validateEvent(event)).toMatchObject({ valid: true, warnings: [] })
  })

  it('tells no literal where that is asked', async () => {
    for (const [sql, query] of [
      ['template', 'SELECT sum(a) FROM t WHERE b = ?'],
      ['none', undefined],
    ] as const) {
      const events = await reported(sql, notice(status('running')), notice(status('finished')))
      expect(JSON.stringify(events)).not.toContain('secret')
      expect(events[0].job.facets.sql?.query).toBe(query)
      const error = {
        code: 'QUERY_FAILED',
        message: `Conversion Error: could not convert string 'secret'`,
        queryId: 'q-1',
      } as const
      const failed = await reported(sql, notice(status('failed', { error })))
      expect(JSON.stringify(failed)).not.toContain('secret')
      expect(failed[1].run.facets.errorMessage.message).toBe('QUERY_FAILED')
    }
  })

  it('ends a query that failed or was cancelled as such, also one that never ran', async () => {
    const error = { code: 'NAME_NOT_FOUND', message: 'no' } as const
    const failed = await reported('text', notice(status('planning')), notice(status('failed', { error })))
    expect(failed.map(({ eventType }) => eventType)).toEqual(['START', 'FAIL'])
    expect(failed[1].run.facets.errorMessage.message).toBe('NAME_NOT_FOUND: no')
    const cancelled = await reported('text', notice(status('running')), notice(status('cancelled')))
    expect(cancelled.map(({ eventType }) => eventType)).toEqual(['START', 'ABORT'])
  })
})

describe('the end of a query', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const task = { ...taskEvent('t-1', { base: [baseRead('S1', 't', [0])] }), queryId: 'q-1' }
  const about = { at: task.at, queryId: 'q-1' }
  const written: LineageEvent = {
    ...about,
    kind: 'written',
    id: 'written:q-1',
    table: 'made',
    snapshot: 'made@1',
    segments: [{ id: 's-1', rows: 5, bytes: 50 }],
  }
  const transfer = {
    segment: 'd-1',
    source: 'n1',
    destination: 'client',
    via: 'network',
    bytes: 9,
    rows: 1,
    micros: 0,
    at: 0,
  } as const
  const answer: LineageEvent = {
    ...about,
    kind: 'answer',
    id: 'answer:q-1',
    tenant: 'default',
    template: '0',
    segment: 'd-1',
    columns: [{ name: 'a', type: 'BIGINT' }],
    transfer,
    reused: false,
  }

  /** A query whose one task has told of itself, and which has finished. */
  function finished(kind: 'task' | 'write') {
    const to = transport()
    const reporter = new QueryReporter(sender(to), { namespace: 'lake', version: '1', sql: 'none', table: () => undefined })
    reporter.notice({ type: 'query', status: status('running') })
    reporter.recorded([{ ...task, kind }])
    reporter.notice({ type: 'query', status: status('finished', { actual: { tasks: 1 } as QueryStatus['actual'] & object }) })
    // oxlint-disable-next-line typescript/no-explicit-any -- tests look into events freely
    return { reporter, ends: () => (to.got as any[]).filter(({ eventType }) => eventType === 'COMPLETE') }
  }

  it.each([
    ['write', written, 'made'],
    ['task', answer, 'answer.0123456789abcdef'],
  ] as const)('of a %s waits for what it gave', async (kind, outcome, name) => {
    const { reporter, ends } = finished(kind)
    await vi.advanceTimersByTimeAsync(1_900)
    expect(ends()).toEqual([])
    reporter.recorded([outcome])
    await vi.advanceTimersByTimeAsync(300)
    expect(ends()).toMatchObject([{ outputs: [{ name }] }])
  })

  it.each(['write', 'task'] as const)('of a %s does not wait for ever', async (kind) => {
    const { ends } = finished(kind)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(ends()).toHaveLength(1)
  })
})

describe('the variables of the clients', () => {
  it('name a receiver as they do for the clients', () => {
    expect(openLineageFromEnvironment({})).toBeUndefined()
    expect(
      openLineageFromEnvironment({ OPENLINEAGE_URL: 'http://m:5000', OPENLINEAGE_API_KEY: 'k', OPENLINEAGE_NAMESPACE: 'n' }),
    ).toEqual({ url: 'http://m:5000', apiKey: 'k', namespace: 'n' })
    expect(
      openLineageFromEnvironment({ OPENLINEAGE__TRANSPORT__TYPE: 'file', OPENLINEAGE__TRANSPORT__LOG_FILE_PATH: 'x' }),
    ).toEqual({ file: 'x' })
    expect(
      openLineageFromEnvironment({
        OPENLINEAGE__TRANSPORT__URL: 'http://m',
        OPENLINEAGE__TRANSPORT__AUTH: '{"type":"api_key","apiKey":"k"}',
      }),
    ).toEqual({ url: 'http://m', apiKey: 'k' })
    expect(openLineageFromEnvironment({ OPENLINEAGE_URL: 'http://m', OPENLINEAGE_DISABLED: 'true' })).toBe('off')
  })
})
