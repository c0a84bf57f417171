import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { temporaryFolder } from '../lineage/lineage-fixtures.js'
import { dataset, facet, runEvent, uuid } from '../lineage/openlineage/openlineage-fixtures.js'
import { writeSmallLake } from '../support/small-lake.js'
import { startServer, type TestServer } from '../support/start-server.js'
import { startStopwatch } from '../support/stopwatch.js'

async function post(server: TestServer, body: string | Buffer, headers: Record<string, string> = {}, path = '/api/v1/lineage') {
  const response = await fetch(server.url + path, {
    method: 'POST',
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers: { 'content-type': 'application/json', ...headers },
  })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let turn = 0; turn < 1_500; turn++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('it did not come')
}

const graphOf = (server: TestServer, nodeId: string) =>
  until(async () => {
    const { status, body } = await server.call(`/api/v1/lineage?nodeId=${encodeURIComponent(nodeId)}&depth=20`)
    return status === 200 ? body.graph : undefined
  })

// Starting servers takes its time on a busy machine.
const patience = 120_000

describe('OpenLineage in', { timeout: patience }, () => {
  it('takes events as clients send them, answers for each, and keeps them over a kill', async () => {
    const state = join(temporaryFolder(), 'state')
    let server = await startServer({ state, flags: ['--nodes', '1'] })
    const event = runEvent({ inputs: [dataset('a')], outputs: [dataset('b')] })
    expect((await post(server, JSON.stringify(event))).status).toBe(201)
    expect(await post(server, '{"eventTime":"2026-01-01T00:00:00Z"}')).toMatchObject({
      status: 400,
      body: { error: { code: 'REQUEST_INVALID', message: 'producer: is missing' }, failed_events: [{ index: 0 }] },
    })
    const next = runEvent({ run: uuid(2), job: 'next', inputs: [dataset('b')], outputs: [dataset('c')] })
    const list = gzipSync(JSON.stringify({ events: [next, { ...next, job: 7 }] }))
    expect(
      await post(server, list, { 'content-encoding': 'gzip', authorization: 'Bearer anything' }, '/api/v1/lineage/batch'),
    ).toMatchObject({
      status: 200,
      body: {
        status: 'partial_success',
        summary: { received: 2, successful: 1, failed: 1 },
        failed_events: [{ index: 1, reason: 'job: is not an object' }],
      },
    })
    await server.kill('SIGKILL')
    server = await startServer({ state, flags: ['--nodes', '1'] })
    const ids = (await graphOf(server, 'job:ns:next')).map((node: { id: string }) => node.id)
    expect(ids.toSorted()).toEqual(['dataset:db:a', 'dataset:db:b', 'dataset:db:c', 'job:ns:load', 'job:ns:next'])
    expect((await server.call(`/api/v1/namespaces/ns/jobs/next/runs`)).body.runs[0]).toMatchObject({
      id: uuid(2),
      state: 'COMPLETED',
    })
    const { body } = await server.call('/v1/lineage?from=node:job:ns:load&depth=5')
    expect(body.edges.map((edge: { type: string }) => edge.type).toSorted()).toContain('TRANSFORMED_INTO')
    await server.stop()
  })

  it('takes an event of ten megabytes while queries go on', async () => {
    await using server = await startServer({ flags: ['--nodes', '1'] })
    const large = runEvent({ job: 'large', runFacets: { plan: facet({ text: 'x'.repeat(10_000_000) }) } })
    const posted = post(server, JSON.stringify(large))
    const slowest = { ms: 0 }
    const posting = { under: true }
    const watch = (async () => {
      while (posting.under) {
        const answeredInMs = startStopwatch()
        await server.call('/healthz')
        slowest.ms = Math.max(slowest.ms, answeredInMs())
      }
    })()
    expect((await posted).status).toBe(201)
    posting.under = false
    await watch
    expect(slowest.ms).toBeLessThan(1_000)
    const run = await until(async () => {
      const { status, body } = await server.call(`/api/v1/jobs/runs/${uuid(1)}`)
      return status === 200 ? body : undefined
    })
    expect(run.facets.plan.text).toHaveLength(10_000_000)
    const bomb = await post(server, gzipSync(Buffer.alloc(80_000_000, 32)), { 'content-encoding': 'gzip' })
    expect([bomb.status, bomb.body.error.code]).toEqual([413, 'REQUEST_TOO_LARGE'])
  })
})

/** A receiver that refuses its first requests. */
async function receiver(
  refusals: number,
): Promise<{ url: string; events: Record<string, never>[]; authorization: Set<string>; server: Server }> {
  const events: Record<string, never>[] = []
  const authorization = new Set<string>()
  let left = refusals
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      authorization.add(request.headers.authorization ?? '')
      if (left-- > 0) response.writeHead(503).end()
      else {
        events.push(JSON.parse(Buffer.concat(chunks).toString()))
        response.writeHead(201).end()
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, events, authorization, server }
}

describe('OpenLineage out', { timeout: patience }, () => {
  it('tells of every query, of one that fails too, and again when the receiver was away', async () => {
    const data = join(temporaryFolder(), 'data')
    await writeSmallLake(data)
    const { url, events, authorization } = await receiver(2)
    const environment = { OPENLINEAGE_URL: url, OPENLINEAGE_API_KEY: 'secret', OPENLINEAGE_NAMESPACE: 'lake' }
    await using server = await startServer({ data, environment })
    const [table, column] = ['sales', 'region']
    await server.query(`CREATE TABLE copied AS SELECT "${column}" AS first, count(*) AS n FROM "${table}" GROUP BY ALL`)
    await expect(server.query('SELECT nothing FROM nowhere')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
    await until(async () => (events.length >= 4 ? true : undefined))
    expect([...authorization]).toEqual(['Bearer secret'])
    // oxlint-disable-next-line typescript/no-explicit-any -- the test looks into what came over the wire
    const [first, ...others] = events as any[]
    // A query is told of as finished when its lineage is known, which may be after the next one has begun.
    const [start, end] = [first, ...others].filter((event) => event.run.runId === first.run.runId)
    const [failedStart, failed] = others.filter((event) => event.run.runId !== first.run.runId)
    expect([start, end, failedStart, failed].map((event) => event.eventType)).toEqual(['START', 'COMPLETE', 'START', 'FAIL'])
    expect(end.job).toMatchObject({ namespace: 'lake', facets: { sql: { dialect: 'duckdb' } } })
    expect(end.inputs).toMatchObject([
      { namespace: 'lake', name: table, inputFacets: { inputStatistics: { rowCount: expect.any(Number) } } },
    ])
    expect(end.outputs[0]).toMatchObject({
      name: 'copied',
      facets: { columnLineage: { fields: { first: { inputFields: [{ namespace: 'lake', name: table, field: column }] } } } },
      outputFacets: { outputStatistics: { rowCount: expect.any(Number), size: expect.any(Number) } },
    })
    const execution = end.run.facets.forebay_execution
    expect(execution.nodes[0]).toMatchObject({ node: expect.stringMatching(/^n\d+$/), cpuMs: expect.any(Number) })
    expect(failed.run.facets.errorMessage.message).toMatch(/^NAME_NOT_FOUND/)
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    ajv.addSchema({
      $id: 'https://openlineage.io/spec/2-0-2/OpenLineage.json',
      $defs: { RunFacet: { type: 'object', required: ['_producer', '_schemaURL'] } },
    })
    const schema = JSON.parse(
      readFileSync(new URL('../../docs/openlineage/1-0-0/ForebayExecutionRunFacet.json', import.meta.url), 'utf8'),
    )
    const check = ajv.compile(schema)
    expect(check({ forebay_execution: execution }), JSON.stringify(check.errors)).toBe(true)
    // What Forebay tells, Forebay takes.
    for (const event of [start, end, failed]) expect((await post(server, JSON.stringify(event))).body.warnings).toBeUndefined()
  })

  it('names the file or the folder that a table is', async () => {
    const data = join(temporaryFolder(), 'data')
    await writeSmallLake(data)
    const { url, events } = await receiver(0)
    await using server = await startServer({ data, environment: { OPENLINEAGE_URL: url } })
    await server.query('SELECT count(*) FROM numbers, sales')
    await until(async () => (events.length >= 2 ? true : undefined))
    // oxlint-disable-next-line typescript/no-explicit-any -- the test looks into what came over the wire
    const inputs: any[] = (events as any[]).find((event) => event.eventType === 'COMPLETE').inputs
    const places = inputs.map(({ name, facets }) => [name, facets.symlinks.identifiers[0].name])
    expect(places.sort()).toEqual([
      ['numbers', join(data, 'numbers.parquet')],
      ['sales', join(data, 'sales')],
    ])
  })
})
