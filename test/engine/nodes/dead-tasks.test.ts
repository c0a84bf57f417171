import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import type { EngineParts } from '../../../src/engine/embedded/engine-parts.js'
import { DeadTasks } from '../../../src/engine/embedded/nodes/dead-tasks.js'
import type { DeadLetter, DeadLetters } from '../../../src/queue/dead-letters.js'
import { task, toClient } from '../../node/node-under-test.js'
import { openUnderTest, type UnderTest } from '../engine-under-test.js'

/** A task of a query whose answer has so many rows of a few bytes. */
function letterOf(id: string, rows: number): DeadLetter {
  const columns = [{ name: 'i', type: 'BIGINT' }]
  const output = toClient(columns, { segment: `d-${id}`, inlineBytesMax: 65_536, resultBytesMax: 1e9 })
  const failed = task(`SELECT i FROM range(${rows}) t(i)`, output, [], { taskId: id, attempt: 5, queryId: `q-${id}` })
  return { id, at: 1, attempts: 5, reason: { code: 'NODE_LOST', message: 'n1 is gone' }, task: failed }
}

const letters = [letterOf('large', 300_000), letterOf('small', 3)]
const folder = mkdtempSync(join(tmpdir(), 'forebay-dead-tasks-'))
let test: UnderTest

beforeAll(async () => {
  const queue = join(folder, 'state', 'queue')
  mkdirSync(queue, { recursive: true })
  const lines = letters.map((letter) => `${JSON.stringify({ put: letter.id, value: letter })}\n`)
  writeFileSync(join(queue, 'dead-letters.jsonl'), lines.join(''))
  test = await openUnderTest([], { folder })
})
afterAll(async () => {
  await test.close()
  rmSync(folder, { recursive: true })
})

const replay = (id: string): Promise<{ readonly rows: number }> => test.engine.deadTasks.replay(id, AbortSignal.timeout(60_000))

it('computes a large answer to its end before its letter goes', async () => {
  expect(await replay('large')).toMatchObject({ id: 'large', rows: 300_000 })
  expect((await test.engine.deadTasks.list()).map(({ id }) => id)).toEqual(['small'])
  await expect.poll(() => test.recorder.tasks('q-large')).toMatchObject([{ output: { rows: 300_000 } }])
})

it('replays a letter once at a time, and says so', async () => {
  const replays = await Promise.allSettled([replay('small'), replay('small')])
  expect(replays).toMatchObject([
    { status: 'fulfilled', value: { rows: 3 } },
    { status: 'rejected', reason: { code: 'CONFLICT', message: 'dead letter "small" is being replayed already' } },
  ])
  expect(await test.engine.deadTasks.list()).toEqual([])
})

it('says how long a replay had when there is no node for it in that time', async () => {
  vi.useFakeTimers()
  try {
    const pool: Partial<EngineParts['pool']> = {
      want: (_count, _ahead, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
    }
    const tasks = new DeadTasks({ list: async () => letters } as unknown as DeadLetters, { pool } as unknown as EngineParts)
    const replayed = tasks.replay('small', new AbortController().signal)
    replayed.catch(() => {})
    await vi.advanceTimersByTimeAsync(300_000)
    await expect(Promise.race([replayed, undefined])).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'the replay of "small" did not finish within 300000 ms',
    })
  } finally {
    vi.useRealTimers()
  }
})
