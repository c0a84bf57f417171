import { expect, it } from 'vitest'
import { openUnderTest, requestOf, until } from './engine-under-test.js'

it('ends the work of a large answer on its node when it is cancelled while the next row is long in coming', async () => {
  const under = await openUnderTest([], { nodes: 1 })
  try {
    // More than fits into an outcome at once, and then nothing for minutes.
    const sql = `SELECT i, 'text of ' || i AS t FROM range(100000000000) r(i) WHERE i < 200000 OR i = 99999999999`
    const execution = under.engine.submit('abandoned', requestOf(sql, { reuse: false }))
    const { body } = await execution.result
    let cameAt = performance.now()
    const read = async (): Promise<void> => {
      for await (const _ of body) cameAt = performance.now()
    }
    const reading = read()
    reading.catch(() => {})
    await until(() => performance.now() - cameAt > 1_000, 'the last row for a while')
    execution.cancel('enough')
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' })
    // A node says what it does every second.
    const cpu = (): number => under.engine.nodes()[0]?.cpuSeconds ?? 0
    const used = async (): Promise<number> => {
      const before = cpu()
      await new Promise((resolve) => setTimeout(resolve, 2_500))
      return cpu() - before
    }
    await expect.poll(used, { timeout: 30_000 }).toBeLessThan(1)
    expect(under.engine.nodes().map(({ runningTasks }) => runningTasks)).toEqual([0])
    expect((await under.query('SELECT 42 AS x')).rows).toEqual([[42]])
  } finally {
    await under.close()
  }
}, 60_000)
