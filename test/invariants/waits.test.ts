import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { QueryPredictor } from '../../src/engine/embedded/engine-options.js'
import { MemoryRecorder, openUnderTest, requestOf, type UnderTest, until } from '../engine/engine-under-test.js'
import { startStopwatch } from '../support/stopwatch.js'

/** Nothing of what a query could wait for here comes before the tests are over: an answer that is there did not wait for it. */
const never = new Promise<never>(() => {})

/** While it is silent nothing comes back from it, as from a full disk or a dead thread. */
class SilentRecorder extends MemoryRecorder {
  #waiting: Promise<void> = Promise.resolve()
  speak: () => void = () => {}
  silence(): void {
    this.#waiting = new Promise((resolve) => {
      this.speak = resolve
    })
  }
  override async record(events: Parameters<MemoryRecorder['record']>[0]): Promise<void> {
    await this.#waiting
    return super.record(events)
  }
  override async put(key: string, json: string): Promise<void> {
    await this.#waiting
    return super.put(key, json)
  }
}
const recorder = new SilentRecorder()

const predictor: QueryPredictor = {
  predict: () => never,
  admitted: () => {},
  dispatched: () => {},
  observe: () => [],
  loadScores: () => new Map(),
}

let under: UnderTest
beforeAll(async () => {
  under = await openUnderTest(
    [0, 1].map((n) => `COPY (SELECT i % 9 AS k, i + ${n} AS v FROM range(20000) t(i)) TO '$DATA/lake/part-${n}.parquet'`),
    {
      recorder,
      predictor,
      reader: { work: () => never },
      onActivity: () => {
        throw new Error('the metrics are broken')
      },
    },
  )
  recorder.silence()
}, 60_000)
afterAll(() => {
  recorder.speak()
  return under?.close()
}, 60_000)

describe('a query', () => {
  it.each(['always', 'never'] as const)('waits for no recorder, graph, metrics or predictor (tree %s)', async (tree) => {
    const answeredInMs = startStopwatch()
    const { rows, status } = await under.query('SELECT k, count(*) AS n FROM lake GROUP BY k ORDER BY k', { tree, reuse: false })
    expect(rows).toHaveLength(9)
    expect(status.state).toBe('finished')
    expect(answeredInMs()).toBeLessThan(3_000)
  })

  it('that writes waits for its own fsync and for nothing of these', async () => {
    const answeredInMs = startStopwatch()
    expect((await under.query('CREATE TABLE made AS SELECT * FROM lake')).rows).toEqual([[40_000]])
    expect(answeredInMs()).toBeLessThan(3_000)
  })

  it('that is cancelled ends within two seconds, whatever its statement listens to', async () => {
    const deaf = 'SELECT len(list_transform(range(max(v) * 3000), x -> x::VARCHAR)) FROM lake'
    const execution = under.engine.submit('deaf', requestOf(deaf))
    execution.result.catch(() => {})
    await until(() => execution.status().tasks.some((task) => task.state === 'running'), 'the task')
    await new Promise((resolve) => setTimeout(resolve, 100))
    const endedInMs = startStopwatch()
    execution.cancel('enough')
    await expect(execution.result).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(endedInMs()).toBeLessThan(2_000)
    // Not only called ended: nothing works on it any more.
    const idle = () => under.engine.nodes().every((node) => node.state === 'ready' && node.runningTasks === 0)
    await until(idle, 'idle nodes')
  })
})
