import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTracing, tracingWanted } from '../../src/server/tracing/open-tracing.js'
import { readTraceContext } from '../../src/server/tracing/trace-parent.js'
import { noTracing } from '../../src/server/tracing/tracing.js'
import { type Span, spansOf } from '../support/otlp.js'
import { writeSmallLake } from '../support/small-lake.js'
import { startServer, type TestServer } from '../support/start-server.js'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const caller = `00-${traceId}-b7ad6b7169203331-01`

describe('the header traceparent', () => {
  it('is read when it is valid, and is none otherwise', () => {
    expect(readTraceContext({ traceparent: caller, tracestate: 'a=b' })).toEqual({
      traceId,
      spanId: 'b7ad6b7169203331',
      flags: 1,
      state: 'a=b',
    })
    expect(readTraceContext({ traceparent: `cc-${traceId}-b7ad6b7169203331-01-more` })?.traceId).toBe(traceId)
    const wrong = [
      `ff-${traceId}-b7ad6b7169203331-01`,
      `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
      `00-${traceId}-${'0'.repeat(16)}-01`,
      `00-${traceId.toUpperCase()}-b7ad6b7169203331-01`,
      `00-${traceId}-b7ad6b7169203331-01-more`,
      'nonsense',
      '',
    ]
    for (const traceparent of wrong) expect(readTraceContext({ traceparent })).toBeUndefined()
    expect(readTraceContext({})).toBeUndefined()
  })
})

describe('tracing', () => {
  it('is off without a variable that says where spans go', async () => {
    expect(tracingWanted({})).toBe(false)
    expect(tracingWanted({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })).toBe(true)
    expect(tracingWanted({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' })).toBe(false)
    expect(tracingWanted({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_TRACES_EXPORTER: 'none' })).toBe(false)
    expect(await openTracing({}, '1')).toBe(noTracing)
  })

  it('says which protocol it does not speak', () => {
    const grpc = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
    expect(() => tracingWanted(grpc)).toThrow('OTEL_EXPORTER_OTLP_PROTOCOL')
    expect(() => tracingWanted({ OTEL_TRACES_EXPORTER: 'zipkin' })).toThrow('zipkin')
  })
})

describe('a traced server', () => {
  const root = mkdtempSync(join(tmpdir(), 'forebay-tracing-'))
  const spans: Span[] = []
  let resource: Readonly<Record<string, unknown>> = {}
  let collector: Server
  let server: TestServer
  const answers: Headers[] = []

  beforeAll(async () => {
    await writeSmallLake(join(root, 'data'))
    collector = createServer((request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const received = spansOf(Buffer.concat(pieces))
        spans.push(...received.spans)
        resource = received.resource
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
      })
    })
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
    const { port } = collector.address() as AddressInfo
    server = await startServer({
      data: join(root, 'data'),
      environment: {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
      },
    })
    const ask = async (sql: string, more: Record<string, unknown> = {}, headers: Record<string, string> = {}): Promise<void> => {
      answers.push((await server.call('/v1/query', { body: { sql, reuse: false, ...more }, headers })).headers)
    }
    const group = 'SELECT region, sum(amount) FROM sales GROUP BY region'
    await ask(group, { tree: 'always', tenant: 'team' }, { traceparent: caller, tracestate: 'vendor=1' })
    await ask("SELECT CAST(name AS INTEGER) FROM numbers WHERE 'secret-literal' <> name")
    await ask('SELECT 1', {}, { traceparent: caller.replace(/01$/, '00') })
    // Ends cleanly and sends everything before that.
    expect(await server.stop()).toBe(0)
  }, 60_000)
  afterAll(async () => {
    await new Promise((resolve) => collector.close(resolve))
    rmSync(root, { recursive: true, force: true })
  })

  const root1 = (): Span => spans.find((span) => span.traceId === traceId && span.name === 'query') as Span
  const children = (span: Span): Span[] => spans.filter((each) => each.parentSpanId === span.spanId)

  it('says who it is', () => {
    expect(resource).toMatchObject({ 'service.name': 'forebay', 'deployment.environment': 'test' })
  })

  it('makes a query a part of its caller’s trace, and answers with its own place in it', () => {
    expect(root1()).toMatchObject({ parentSpanId: 'b7ad6b7169203331', traceState: 'vendor=1', kind: 2 })
    expect(answers[0]?.get('traceparent')).toBe(`00-${traceId}-${root1().spanId}-01`)
    expect(root1().attributes).toMatchObject({ 'forebay.tenant': 'team', 'forebay.state': 'finished' })
  })

  it('shows plan, prediction, allocation, every task and every transfer inside it', () => {
    const names = children(root1()).map(({ name }) => name)
    for (const name of ['plan', 'predict', 'allocate', 'task leaf', 'task root', 'answer']) expect(names).toContain(name)
    expect(names.filter((name) => name === 'task leaf').length).toBeGreaterThanOrEqual(2)
    const leaves = children(root1()).filter(({ name }) => name === 'task leaf')
    for (const leaf of leaves) {
      expect(children(leaf).map(({ name, attributes }) => [name, attributes['forebay.source']])).toContainEqual([
        'transfer',
        'storage',
      ])
    }
    const [last] = children(root1()).filter(({ name }) => name === 'task root')
    expect(
      children(last as Span).some(({ name, attributes }) => name === 'transfer' && attributes['forebay.via'] !== undefined),
    ).toBe(true)
  })

  it('keeps the times in order', () => {
    const { start, end } = root1()
    const [plan, predict, allocate] = ['plan', 'predict', 'allocate'].map(
      (name) => children(root1()).find((span) => span.name === name) as Span,
    )
    expect(plan?.start).toBeGreaterThanOrEqual(start)
    expect(predict?.start).toBeGreaterThanOrEqual(plan?.end ?? 0)
    expect(allocate?.start).toBeGreaterThanOrEqual(predict?.end ?? 0)
    expect(allocate?.end).toBeLessThanOrEqual(end)
    for (const task of children(root1()).filter(({ name }) => name.startsWith('task'))) {
      expect(task.end).toBeGreaterThanOrEqual(task.start)
      expect(task.start).toBeGreaterThan(start - 5)
      // It goes on when the answer has left: its rows are kept for later queries.
      expect(task.start).toBeLessThan(end)
    }
  })

  it('marks what failed with its code, begins a trace of its own where no caller did, and tells no SQL', () => {
    const [failed] = spans.filter(({ name, attributes }) => name === 'query' && attributes['error.type'] !== undefined)
    expect(failed).toMatchObject({ statusCode: 2, parentSpanId: '' })
    expect(failed?.attributes['error.type']).toBe('QUERY_FAILED')
    expect(failed?.traceId).not.toBe(traceId)
    expect(JSON.stringify(spans)).not.toMatch(/secret-literal|SELECT/)
  })

  it('obeys a caller who does not sample, and still passes the trace on', () => {
    expect(spans.filter(({ name, traceId: id }) => name === 'query' && id === traceId)).toHaveLength(1)
    expect(answers[2]?.get('traceparent')).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
  })
})
