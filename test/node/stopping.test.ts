import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { memoryExceededSignal } from '../../src/model/messages.js'
import { startStopwatch } from '../support/stopwatch.js'
import { NodeUnderTest, task, testFolder, toClient } from './node-under-test.js'

const folder = testFolder()
let count = 0
const nodes: NodeUnderTest[] = []
async function open(overrides: ConstructorParameters<typeof NodeUnderTest>[1] = {}): Promise<NodeUnderTest> {
  const node = new NodeUnderTest(folder.path, { id: `n${++count}`, ...overrides })
  nodes.push(node)
  await node.ready()
  return node
}
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
})
afterAll(() => folder.remove())

const slow = 'SELECT count(*) FROM range(100000000) a, range(1000) b WHERE a.range * b.range = 7'
/** Statements that do not look at an interrupt for many seconds. */
const deaf = [
  'SELECT len(list_transform(range(100000000), x -> x::VARCHAR))',
  "SELECT len(repeat('x', 1000000000))",
  `SELECT count(*) FROM (${Array.from({ length: 20_000 }, (_, at) => `SELECT ${at}`).join(' UNION ALL ')})`,
]

async function settled(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

describe('cancel', () => {
  it('ends a statement that listens, and the node goes on', async () => {
    const node = await open()
    const message = task(slow, toClient([]))
    const outcome = node.failed(message)
    await settled(300)
    const endedInMs = startStopwatch()
    node.send({ type: 'cancel', taskId: message.taskId })
    expect((await outcome).error.code).toBe('CANCELLED')
    expect(endedInMs()).toBeLessThan(1_000)
    await node.finished(task('SELECT 1', toClient([])))
  })

  it.each(deaf.map((sql) => [sql.slice(0, 60), sql] as const))(
    'ends within 2 s what does not listen: %s',
    async (_start, sql) => {
      const node = await open({ memoryBytes: 4 * 2 ** 30 })
      const message = task(sql, toClient([]), [], { threads: 'all' })
      const outcome = node.outcome(message)
      await settled(500)
      const endedInMs = startStopwatch()
      node.send({ type: 'cancel', taskId: message.taskId })
      const ended = await Promise.race([outcome.then((end) => end.type), node.exited.then(([, signal]) => signal)])
      expect(endedInMs()).toBeLessThan(2_000)
      expect(['failed', 'finished', 'SIGKILL']).toContain(ended)
    },
  )

  it('lets a pack come to its end, whose checkpoint does not listen', async () => {
    const node = await open({ memoryBytes: 4 * 2 ** 30 })
    const pack = {
      id: 'p',
      path: join(folder.path, 'packs', 'deaf.duckdb'),
      dataset: 'd',
      columns: ['a'],
      types: ['INTEGER'],
      segments: [],
    }
    const deafPack = 'SELECT len(list_transform(range(5000000), x -> x::VARCHAR)) AS a, 0 AS o'
    const message = task(deafPack, { to: 'pack', pack: { ...pack, ordinalColumn: 'o' } }, [], { threads: 'all' })
    const outcome = node.outcome(message)
    await settled(200)
    node.send({ type: 'cancel', taskId: message.taskId })
    await Promise.race([outcome, node.exited])
    await node.finished(task('SELECT 1', toClient([])))
  })

  it('of a Parquet answer that nobody has fetched removes its file', async () => {
    const node = await open()
    const columns = [{ name: 'a', type: 'BIGINT' }]
    const large = task('SELECT range AS a FROM range(1000)', toClient(columns, { format: 'parquet', inlineBytesMax: 1 }))
    await node.finished(large)
    const passing = join(node.configuration.folder, 'passing')
    expect(readdirSync(passing)).toHaveLength(1)
    node.send({ type: 'cancel', taskId: large.taskId })
    await node.next('stream-ended', ({ taskId }) => taskId === large.taskId)
    expect(readdirSync(passing)).toEqual([])
  })

  it('of a task that is not here changes nothing', async () => {
    const node = await open()
    node.send({ type: 'cancel', taskId: 'nobody' })
    await node.finished(task('SELECT 1', toClient([])))
  })
})

describe('a deadline', () => {
  it('ends the task with DEADLINE_EXCEEDED', async () => {
    const node = await open()
    const { error } = await node.failed(task(slow, toClient([]), [], { deadlineAt: Date.now() + 200 }))
    expect(error.code).toBe('DEADLINE_EXCEEDED')
  })
})

describe('memory', () => {
  it('of a statement beyond its limit is refused by DuckDB with MEMORY_EXCEEDED', async () => {
    const node = await open({ memoryBytes: 256 * 2 ** 20, tempBytesMax: 2 << 20 })
    const { error } = await node.failed(task('SELECT list(range) FROM range(50000000)', toClient([])))
    expect(['MEMORY_EXCEEDED', 'DISK_EXCEEDED']).toContain(error.code)
    await node.finished(task('SELECT 1', toClient([])))
  })

  it('beyond what DuckDB counts ends the task, or the process by a signal of its own', async () => {
    const node = await open({ memoryBytes: 256 * 2 ** 20 })
    const message = task('SELECT len(list_transform(range(30000000), x -> x::VARCHAR))', toClient([]))
    const outcome = await Promise.race([node.outcome(message), node.exited])
    if (Array.isArray(outcome)) expect(outcome[1]).toBe(memoryExceededSignal)
    else expect(outcome).toMatchObject({ type: 'failed', error: { code: 'MEMORY_EXCEEDED' } })
  })
})

describe('memory that is not used any more', () => {
  it('is given back once the process is near its limit', async () => {
    const limit = 256 * 2 ** 20
    const node = await open({ memoryBytes: limit })
    const sql = 'SELECT count(*) FROM (SELECT range, hash(range) AS h FROM range(6000000) ORDER BY h)'
    const { report } = await node.finished(task(sql, toClient([])))
    expect(report.peakMemoryBytes).toBeGreaterThan(50 * 2 ** 20)
    await node.next('vital-signs', (signs) => signs.runningTasks === 0 && signs.memoryBytes < 0.8 * limit)
  })
})

describe('disk', () => {
  it('for temporary data beyond its limit gives DISK_EXCEEDED', async () => {
    const node = await open({ memoryBytes: 256 * 2 ** 20, tempBytesMax: 8 << 20 })
    const sql = 'SELECT count(*) FROM (SELECT hash(range) AS h FROM range(40000000) ORDER BY h)'
    const { error } = await node.failed(task(sql, toClient([])))
    expect(['MEMORY_EXCEEDED', 'DISK_EXCEEDED']).toContain(error.code)
  })
})

describe('a segment', () => {
  it('larger than it may be gives DISK_EXCEEDED and leaves nothing', async () => {
    const node = await open({ tempBytesMax: 4 << 20 })
    const columns = [{ name: 'a', type: 'UBIGINT' }]
    const { error } = await node.failed(
      task('SELECT hash(range) FROM range(20000000)', { to: 'segment', segment: 'd-big', columns }),
    )
    expect(error).toMatchObject({ code: 'DISK_EXCEEDED', message: expect.stringContaining('d-big') })
    const folders = ['spool', 'passing'].flatMap((name) => readdirSync(join(node.configuration.folder, name)))
    expect(folders).toEqual([])
  })
})

describe('the channel', () => {
  it('takes the node with it when it closes, even in the middle of a statement', async () => {
    const node = await open()
    node.send({ type: 'run', task: task(slow, toClient([]), [], { threads: 'all' }) })
    await settled(200)
    const endedInMs = startStopwatch()
    node.child.disconnect()
    expect((await node.exited)[1]).toBe('SIGKILL')
    expect(endedInMs()).toBeLessThan(1_000)
  })

  it('is answered while statements run', async () => {
    const node = await open()
    for (let at = 0; at < 6; at++) node.send({ type: 'run', task: task(slow, toClient([])) })
    await settled(200)
    const answeredInMs = startStopwatch()
    node.send({ type: 'ping', nonce: 7 })
    expect(await node.next('pong')).toEqual({ type: 'pong', nonce: 7 })
    expect(answeredInMs()).toBeLessThan(500)
  })
})

describe('drain', () => {
  it('ends what runs, refuses the rest and says so', async () => {
    const node = await open()
    const running = node.finished(task('SELECT count(*) FROM range(100000000)', toClient([])))
    await settled(50)
    node.send({ type: 'drain' })
    expect((await node.failed(task('SELECT 1', toClient([])))).error.code).toBe('UNAVAILABLE')
    await node.next('drained')
    await running
  })

  it('says so at once with nothing to do, and when the last task is cancelled', async () => {
    const idle = await open()
    idle.send({ type: 'drain' })
    await idle.next('drained')
    const node = await open()
    const message = task(slow, toClient([]))
    const outcome = node.failed(message)
    await settled(300)
    node.send({ type: 'drain' })
    node.send({ type: 'cancel', taskId: message.taskId })
    expect((await outcome).error.code).toBe('CANCELLED')
    await node.next('drained')
  })
})
