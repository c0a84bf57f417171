import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { systemClock } from '../../src/model/clock.js'
import type { ToNode } from '../../src/model/messages.js'
import { EmbeddedTaskQueue } from '../../src/queue/embedded/embedded-task-queue.js'
import { Dispatcher } from '../../src/scheduler/dispatcher.js'
import { Quarantine } from '../../src/scheduler/quarantine.js'
import { runTask, type TaskDraft } from '../../src/scheduler/run-task.js'
import { FakeFleet } from '../simulation/fake-fleet.js'

/** A process that was killed: its channel is closed a moment before its end is seen. */
class DyingFleet extends FakeFleet {
  closed = false
  override send(node: string, message: ToNode): boolean {
    return !this.closed && super.send(node, message)
  }
}

it('gives a task one try for the death of its node, also when it came a moment before that was seen', async () => {
  const fleet = new DyingFleet(1, 2)
  const queue = new EmbeddedTaskQueue()
  const dispatcher = new Dispatcher({ queue, source: queue, fleet, slots: 2 })
  const start = async (): Promise<void> => {
    await fleet.start('n1')
    fleet.becomeReady('n1')
  }
  await start()
  fleet.closed = true
  const attempts: number[] = []
  const draft = { taskId: 't', inputs: [], output: { to: 'client' } } as unknown as TaskDraft
  const ended = runTask(draft, 'n1', {
    queryId: 'q',
    dispatcher,
    quarantine: new Quarantine(systemClock),
    priority: 'interactive',
    signal: new AbortController().signal,
    statement: 'q',
    readyNodes: async () => {
      while (fleet.nodes()[0]?.state !== 'ready') await setImmediate()
      return ['n1']
    },
    onAttempt: ({ attempt, state }) => void (state === 'queued' && attempts.push(attempt)),
    bury: () => {},
  })
  ended.catch(() => {})
  await setImmediate()
  fleet.die('n1', 'killed')
  fleet.closed = false
  await start()
  await expect.poll(() => fleet.busy()).toHaveLength(1)
  for (const { node, task } of fleet.busy()) fleet.finish(node, task)
  await expect(ended).resolves.toMatchObject({ node: 'n1', incarnation: 2 })
  expect(attempts).toEqual([1, 2])
  await dispatcher.close()
})
