/** Whole servers on a broker: what clients see while brokers, nodes and coordinators die. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCommand } from '../cli/run-command.js'
import { startServer as startForebay, type TestServer } from '../support/start-server.js'
import { startStopwatch } from '../support/stopwatch.js'
import { type BrokerName, brokers, removeStreams, urlOf } from './brokers.js'
import { signalServer, startServer } from './support.js'

const kills = Number(process.env.FOREBAY_QUERY_KILLS ?? 2)
const promised = Number(process.env.FOREBAY_QUEUED_QUERIES ?? 1_000)
/** Its rows are known without asking anybody. */
const sumTo = (n: number): { readonly sql: string; readonly rows: unknown } => ({
  sql: `SELECT sum(i)::BIGINT AS s, ${n} AS n FROM range(${n} + 1) t(i)`,
  rows: [[(n * (n + 1)) / 2, n]],
})
/** Long enough to be seen at work. */
const slow = 'SELECT count(*) AS n FROM range(60000000) a(i) WHERE hash(i::VARCHAR) % 7 = 3'

async function forebayOn(name: BrokerName, more: Partial<Parameters<typeof startForebay>[0]> = {}): Promise<TestServer> {
  return startForebay({ flags: ['--queue', urlOf(name), '--proactive', 'off'], readyMs: 60_000, ...more })
}

/** Ends a server, and removes what it declared on the broker. */
async function endForebay(server: TestServer, name: BrokerName): Promise<void> {
  const prefix = readFileSync(join(server.state, 'queue', 'name'), 'utf8')
  await server.stop()
  await removeStreams(name, prefix, ['n1', 'n2'])
}

async function eventually<T>(ask: () => Promise<T | undefined>, what: string, ms = 30_000): Promise<T> {
  for (const until = Date.now() + ms; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const answer = await ask()
    if (answer !== undefined) return answer
  }
  throw new Error(`${what} did not happen within ${ms} ms`)
}

/** The process of the node that runs a task of the query now. */
async function pidAtWork(server: TestServer, queryId: string): Promise<number | undefined> {
  const { tasks } = (await server.call(`/v1/queries/${queryId}`)).body as QueryBody
  const running = tasks.find(({ state }) => state === 'running')
  const nodes = (await server.call('/v1/nodes')).body as readonly {
    readonly id: string
    readonly state: string
    readonly pid?: number
  }[]
  return nodes.find(({ id, state }) => id === running?.node && state === 'ready')?.pid
}

interface QueryBody {
  readonly state: string
  readonly tasks: readonly { readonly state: string; readonly node: string }[]
  readonly error?: { readonly code: string }
}

async function askLater(server: TestServer, sql: string): Promise<string> {
  const { body } = await server.call('/v1/queries', { body: { sql, reuse: false, timeoutMs: 240_000 } })
  return body.queryId
}

describe.each(brokers)('a server on %s', (name) => {
  let server: TestServer
  beforeAll(async () => {
    await startServer(name)
    server = await forebayOn(name)
  })
  afterAll(async () => {
    await startServer(name)
    await endForebay(server, name)
  })

  it('answers, and its lineage is there a second later', async () => {
    const { sql, rows } = sumTo(11)
    const answer = await server.query(sql)
    expect(answer.rows).toEqual(rows)
    const lineage = async (): Promise<true | undefined> => {
      const { status, body } = await server.call(`/v1/lineage?from=query:${answer.queryId}&depth=5`)
      return status === 200 && body.edges.length > 0 ? true : undefined
    }
    expect(await eventually(lineage, 'the lineage')).toBe(true)
  })

  it('streams an answer that is too large for the broker from the node', async () => {
    const { body } = await server.call('/v1/query', { body: { sql: 'SELECT i, i::VARCHAR AS s FROM range(50000) t(i)' } })
    expect(body.rows).toHaveLength(50_000)
    expect(body.rows[49_999]).toEqual([49_999, '49999'])
  })

  it(`gives only right answers while the broker is killed ${kills} times`, async () => {
    const stop = new AbortController()
    let answered = 0
    const wrong: unknown[] = []
    const failures: unknown[] = []
    const asking = Array.from({ length: 4 }, async (_, lane) => {
      for (let n = lane; !stop.signal.aborted; n += 4) {
        const { sql, rows } = sumTo(n % 1_000)
        const answer = await server.query(sql, { timeoutMs: 120_000, reuse: false })
        if (JSON.stringify(answer.rows) !== JSON.stringify(rows)) wrong.push(answer.rows)
        answered++
      }
    }).map((lane) => lane.catch((error: unknown) => failures.push(error)))
    for (let kill = 0; kill < kills; kill++) {
      const before = answered
      await eventually(
        async () => {
          expect(failures).toEqual([])
          return answered > before + 10 ? true : undefined
        },
        'answers',
        60_000,
      )
      signalServer(name, 'SIGKILL')
      await eventually(async () => ((await server.call('/readyz')).status === 503 ? true : undefined), 'a notice', 30_000)
      await startServer(name)
      await eventually(async () => ((await server.call('/readyz')).status === 200 ? true : undefined), 'readiness', 60_000)
    }
    stop.abort()
    await Promise.all(asking)
    expect([wrong, failures]).toEqual([[], []])
    expect(answered).toBeGreaterThan(10 * kills)
  }, 3_600_000)

  it('says that the broker is away, and ends queries at their deadlines without killing nodes', async () => {
    const before = (await server.call('/v1/nodes')).body
    signalServer(name, 'SIGKILL')
    const ready = await eventually(async () => {
      const answer = await server.call('/readyz')
      return answer.status === 503 ? answer.body : undefined
    }, 'a notice')
    expect(ready.checks).toContainEqual({ name: 'queue', ok: false, detail: expect.stringMatching(/rabbitmq|kafka/) })
    expect(JSON.stringify(ready)).not.toContain('forebay-test')
    expect((await server.call('/metrics')).body).toContain(`forebay_queue_connected{queue="${name}"} 0`)
    const { body: accepted } = await server.call('/v1/queries', { body: { sql: sumTo(3).sql, timeoutMs: 120_000, reuse: false } })
    const why = await eventually(async () => {
      const { body } = await server.call(`/v1/queries/${accepted.queryId}`)
      return body.waitingFor as string | undefined
    }, 'a reason')
    expect(why).toMatch(/^queue: (amqp|kafka):\/\//)
    const endedInMs = startStopwatch()
    await expect(server.query(sumTo(5).sql, { timeoutMs: 2_000, reuse: false })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    })
    expect(endedInMs()).toBeLessThan(4_000)
    await startServer(name)
    const answer = await eventually(
      async () => {
        const { status, body } = await server.call(`/v1/queries/${accepted.queryId}/result`)
        return status === 200 ? body : undefined
      },
      'the answer',
      60_000,
    )
    expect(answer.rows).toEqual(sumTo(3).rows)
    const after = (await server.call('/v1/nodes')).body
    expect(after.map((node: { incarnation: number }) => node.incarnation)).toEqual(
      before.map((node: { incarnation: number }) => node.incarnation),
    )
  }, 240_000)

  it('runs a task elsewhere when its node dies', async () => {
    const expected = (await server.query(slow, { reuse: false })).rows
    const queryId = await askLater(server, slow)
    process.kill(await eventually(() => pidAtWork(server, queryId), 'a running task'), 'SIGKILL')
    const answer = await eventually(
      async () => {
        const { status, body } = await server.call(`/v1/queries/${queryId}/result`)
        return status === 200 ? body : undefined
      },
      'the answer',
      120_000,
    )
    expect(answer.rows).toEqual(expected)
  }, 240_000)

  it('puts a task that loses five nodes among the dead letters, from where it can be replayed', async () => {
    const queryId = await askLater(server, slow)
    const killed = new Set<number>()
    const ended = await eventually(
      async () => {
        const pid = await pidAtWork(server, queryId)
        if (pid !== undefined && !killed.has(pid)) {
          killed.add(pid)
          process.kill(pid, 'SIGKILL')
        }
        const { body } = await server.call(`/v1/queries/${queryId}`)
        return body.state === 'failed' ? (body as QueryBody) : undefined
      },
      'the failure',
      240_000,
    )
    expect(ended.error).toMatchObject({ code: 'NODE_LOST' })
    expect(killed.size).toBeGreaterThanOrEqual(5)
    const { body } = await server.call('/v1/dead-letters')
    expect(body.deadLetters).toHaveLength(1)
    const [letter] = body.deadLetters
    expect(letter).toMatchObject({ attempts: 5, role: 'root', reason: { code: 'NODE_LOST' } })
    const command = ['dead-letters', '--url', server.url]
    expect(await runCommand(command)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(`${letter.id}\t.*\t5\t.*NODE_LOST`),
    })
    const replayed = await runCommand([...command, '--replay', letter.id])
    expect(replayed).toMatchObject({ code: 0, stdout: expect.stringMatching(`^${letter.id} finished on n\\d: 1 rows`) })
    expect((await server.call('/v1/dead-letters')).body).toEqual({ deadLetters: [] })
    expect(await server.call('/v1/dead-letters/nobody/replay', { method: 'POST' })).toMatchObject({ status: 404 })
  }, 300_000)

  it(`finishes ${promised} queued queries after its own death`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'forebay-queue-'))
    const first = await forebayOn(name, { state: folder })
    const ids: string[] = []
    for (let n = 0; n < promised; n += 50) {
      const some = Array.from({ length: Math.min(50, promised - n) }, async (_, index) => {
        const { status, body } = await first.call('/v1/queries', { body: { sql: sumTo(n + index).sql, reuse: false } })
        expect(status).toBe(202)
        ids[n + index] = body.queryId
      })
      await Promise.all(some)
    }
    await first.kill('SIGKILL')
    const second = await forebayOn(name, { state: folder })
    for (const [n, id] of ids.entries()) {
      const { status, body } = await second.call(`/v1/queries/${id}/result`)
      expect({ id, status, rows: body.rows }).toEqual({ id, status: 200, rows: sumTo(n).rows })
    }
    await endForebay(second, name)
    rmSync(folder, { recursive: true, force: true })
  }, 300_000)
})
