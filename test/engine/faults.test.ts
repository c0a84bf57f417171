import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { QueryPredictor } from '../../src/engine/embedded/engine-options.js'
import type { Activity } from '../../src/model/activity.js'
import { openUnderTest, requestOf, type UnderTest, until } from './engine-under-test.js'

let under: UnderTest
let chaos: 'none' | 'throws' | 'hangs' | 'garbage' = 'none'
let onActivity: (activity: Activity) => void = () => {}

/** A predictor that does everything wrong. */
const predictor: QueryPredictor = {
  predict: () => {
    if (chaos === 'hangs') return new Promise(() => {})
    if (chaos === 'garbage') return { total: { cpuMs: { p50: Number.NaN } } } as never
    throw new Error('the predictor is broken')
  },
  admitted: () => {
    throw new Error('the predictor is broken')
  },
  dispatched: () => {
    throw new Error('the predictor is broken')
  },
  observe: () => {
    throw new Error('the predictor is broken')
  },
  loadScores: () => new Map(),
}

beforeAll(async () => {
  under = await openUnderTest(
    [0, 1, 2, 3].map((n) => `COPY (SELECT i % 50 AS k, i + ${n} AS v FROM range(200000) t(i)) TO '$DATA/lake/part-${n}.parquet'`),
    { nodes: 3, predictor, onActivity: (activity) => onActivity(activity) },
  )
}, 120_000)
afterAll(() => under?.close(), 60_000)

/** Throws when there is none: a signal to process 0 would reach the tests themselves. */
function pidOf(node: string): number {
  const pid = under.engine.nodes().find((each) => each.id === node)?.pid
  if (pid === undefined) throw new Error(`${node} has no process`)
  return pid
}

/** Children of this process that run the node's main module. */
function nodePids(): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const parent = /\nPPid:\t(\d+)/.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]
      const isNode = readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('node/main.js')
      return isNode && Number(parent) === process.pid ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

describe('a node that dies', () => {
  it('is replaced, and its query gives the right answer', async () => {
    const sql = 'SELECT k, sum(v * v % 1000) AS s, count(*) AS n FROM lake GROUP BY k ORDER BY k'
    const expected = await under.duckdb(
      `SELECT k, sum(v * v % 1000)::BIGINT, count(*) FROM read_parquet('$DATA/lake/*.parquet') GROUP BY k ORDER BY k`,
    )
    for (let round = 0; round < 4; round++) {
      const execution = under.engine.submit(
        `killed-${round}`,
        requestOf(sql, { tree: round % 2 === 0 ? 'always' : 'never', reuse: false }),
      )
      await until(
        () => execution.status().tasks.some((task) => task.state === 'running') || execution.status().state === 'finished',
        'a task',
      )
      const victim = execution.status().tasks.find((task) => task.state === 'running')?.node ?? 'n1'
      process.kill(pidOf(victim), 'SIGKILL')
      const { body } = await execution.result
      let text = ''
      for await (const piece of body) text += Buffer.from(piece).toString()
      expect((JSON.parse(`[${text}]`) as number[][]).map((row) => row.map(Number))).toEqual(
        expected.map((row) => row.map(Number)),
      )
      await until(() => under.engine.nodes().every((node) => node.state === 'ready'), 'the replacement')
    }
    expect(nodePids().length).toBe(3)
  }, 60_000)

  it('is killed when it does not answer', async () => {
    const pid = pidOf('n2')
    process.kill(pid, 'SIGSTOP')
    const allReady = (): boolean => under.engine.nodes().every((node) => node.state === 'ready')
    await until(() => allReady() && pidOf('n2') !== pid, 'the replacement', 60_000)
    expect((await under.query('SELECT count(*) FROM lake')).rows.flat().map(Number)).toEqual([800_000])
  }, 90_000)

  it('quarantines a statement that killed two of them alone', async () => {
    const sql = 'SELECT count(*) FROM range(900000000) a, lake b WHERE (a.range * b.v) % 7 = 3'
    const execution = under.engine.submit('killer', requestOf(sql, { tree: 'never' }))
    execution.result.catch(() => {})
    for (let round = 0; round < 2; round++) {
      const running = () => execution.status().tasks.find((task) => task.state === 'running' && task.attempt === round + 1)
      await until(() => running() !== undefined, `attempt ${round + 1}`)
      process.kill(pidOf(running()?.node ?? ''), 'SIGSEGV')
    }
    await expect(execution.result).rejects.toMatchObject({ code: 'STATEMENT_QUARANTINED' })
    await expect(under.query(sql)).rejects.toMatchObject({ code: 'STATEMENT_QUARANTINED' })
    expect((await under.query('SELECT 41 + 1')).rows).toEqual([[42]])
  }, 60_000)
})

describe('prediction', () => {
  it.each(['throws', 'hangs', 'garbage'] as const)('changes no answer when it %s', async (kind) => {
    chaos = kind
    const { rows } = await under.query(`SELECT count(*), '${kind}' FROM lake`)
    expect(rows[0]?.map(String)).toEqual(['800000', kind])
  })
})

describe('nodes', () => {
  it('start when a query comes and none runs, and the query says what it waits for', async () => {
    const signal = AbortSignal.timeout(30_000)
    for (const node of under.engine.nodes()) await under.engine.actuator.stopNode(node.id, signal)
    expect(under.engine.nodes().map((node) => node.state)).toEqual(['absent', 'absent', 'absent'])
    const execution = under.engine.submit('from-zero', requestOf('SELECT sum(v) FROM lake WHERE k = 1'))
    await until(() => execution.status().waitingFor !== undefined, 'a reason to wait')
    expect(execution.status().waitingFor).toBe('n1 is starting')
    await execution.result
    expect(execution.status().state).toBe('finished')
  }, 60_000)
})

it('streams a large answer to its end where its leaves had to run again', async () => {
  let damaged = 0
  onActivity = (activity) => {
    if (activity.type !== 'task' || activity.role !== 'leaf' || activity.state !== 'finished' || damaged > 0) return
    const spool = join(under.stateFolder, 'nodes', activity.node, 'spool')
    for (const name of readdirSync(spool)) {
      writeFileSync(join(spool, name), 'damaged')
      damaged++
    }
  }
  const { rows, status } = await under.query('SELECT k, v FROM lake WHERE v % 2 = 0', { tree: 'always' })
  onActivity = () => {}
  expect(damaged).toBeGreaterThan(0)
  expect(rows).toHaveLength(400_000)
  expect(status.state).toBe('finished')
  expect(status.actual?.tasks).toBeGreaterThan(5)
})

it('says how long a query was given also where a node notices first that the time is over', async () => {
  const timeoutMs = 787
  const setTimer = globalThis.setTimeout
  // The engine's own timer for this query never comes.
  const held = vi
    .spyOn(globalThis, 'setTimeout')
    .mockImplementation(((call: () => void, ms?: number) => setTimer(call, ms === timeoutMs ? 60_000 : ms)) as typeof setTimeout)
  try {
    const slow = requestOf('SELECT count(*) FROM range(1e12::BIGINT)', { timeoutMs })
    await expect(under.engine.submit('late', slow).result).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'the query did not finish within 787 ms',
    })
  } finally {
    held.mockRestore()
  }
})
