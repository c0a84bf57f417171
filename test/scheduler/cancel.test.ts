import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { TaskMessage, ToNode } from '../../src/model/messages.js'
import { EmbeddedTaskQueue } from '../../src/queue/embedded/embedded-task-queue.js'
import { Dispatcher } from '../../src/scheduler/dispatcher.js'
import { FakeFleet } from '../simulation/fake-fleet.js'

/** Nodes whose statements do not listen to a cancel. */
class DeafFleet extends FakeFleet {
  override send(node: string, message: ToNode): boolean {
    return message.type === 'cancel' || super.send(node, message)
  }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** Cancels a running task that goes on, and tells after how many milliseconds its node was killed. */
async function killedAfterMs(cancelMsMax?: number): Promise<number> {
  const fleet = new DeafFleet(1, 4)
  const queue = new EmbeddedTaskQueue()
  const dispatcher = new Dispatcher({ queue, source: queue, fleet, slots: 4 })
  await fleet.start('n1')
  fleet.becomeReady('n1')
  const task = { taskId: 't', attempt: 1, inputs: [], output: { to: 'client' } } as unknown as TaskMessage
  const stop = new AbortController()
  const started = new Promise<void>((onStart) => {
    const ended = dispatcher.run('n1', task, { priority: 'background', signal: stop.signal, cancelMsMax, onStart })
    ended.catch(() => {})
  })
  await started
  stop.abort(new Error('a query came first'))
  for (let ms = 0; ; ms += 100) {
    if (fleet.gone().length > 0) return ms
    if (ms > 60_000) throw new Error('the node was never killed')
    await vi.advanceTimersByTimeAsync(100)
  }
}

test('a task that ignores its cancel costs its node the life after a second', async () => {
  expect(await killedAfterMs()).toBe(1_000)
})

test('a task that is known to end is given the time that it asks for', async () => {
  expect(await killedAfterMs(30_000)).toBe(30_000)
})
