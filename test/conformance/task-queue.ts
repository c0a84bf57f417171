import { describe, expect, it } from 'vitest'
import type { TaskMessage } from '../../src/model/messages.js'
import { starvationShare } from '../../src/model/priority.js'
import type { Delivery, TaskQueue } from '../../src/queue/task-queue.js'

/** A task that only its id tells apart. */
function task(taskId: string): TaskMessage {
  return {
    taskId,
    attempt: 1,
    queryId: 'q1',
    tenant: 't',
    template: '',
    role: 'leaf',
    sql: 'SELECT 1',
    inputs: [],
    output: { to: 'segment', segment: `d-${taskId}`, columns: [] },
    transformation: { type: 'scan', operators: [], shape: '' },
    threads: 'one',
    timeZone: 'UTC',
    memoryBytes: 0,
    deadlineAt: 0,
    queuedAt: 0,
    eventKind: 'task',
  }
}

export interface TaskQueueSubject {
  /** An empty queue that takes at most `tasksMax` waiting tasks. */
  open(tasksMax: number): Promise<TaskQueue>
  /** Resolves when another delivery, which should not be, would have been made. */
  settle(): Promise<void>
}

/** What every task queue promises. */
export function conformsAsTaskQueue(name: string, subject: TaskQueueSubject): void {
  const gather = (): { ids: string[]; deliveries: Delivery[]; deliver: (delivery: Delivery) => void } => {
    const ids: string[] = []
    const deliveries: Delivery[] = []
    return {
      ids,
      deliveries,
      deliver: (delivery) => {
        ids.push(delivery.task.taskId)
        deliveries.push(delivery)
      },
    }
  }
  /** These have been delivered, and nothing comes after them. */
  const arrive = async (ids: readonly string[], expected: readonly string[]): Promise<void> => {
    await expect.poll(() => ids.length, { timeout: 30_000, interval: 5 }).toBeGreaterThanOrEqual(expected.length)
    await subject.settle()
    expect(ids).toEqual(expected)
  }
  /** Settles each delivery as it comes, so that the order is the queue's own; ends when so many have come. */
  const drain = async (queue: TaskQueue, node: string, count: number): Promise<readonly string[]> => {
    const ids: string[] = []
    const consumer = queue.consume(node, 1, (delivery) => {
      ids.push(delivery.task.taskId)
      queueMicrotask(() => void delivery.settle())
    })
    await expect.poll(() => ids.length, { timeout: 30_000, interval: 5 }).toBeGreaterThanOrEqual(count)
    await subject.settle()
    await consumer.stop()
    return ids
  }

  describe(`${name} as a task queue`, () => {
    it('delivers a task once, to its node only', async () => {
      const queue = await subject.open(100)
      const [one, two] = [gather(), gather()]
      queue.consume('n1', 4, one.deliver)
      queue.consume('n2', 4, two.deliver)
      await queue.publish('n1', task('a'), 'interactive')
      await arrive(one.ids, ['a'])
      expect(two.ids).toEqual([])
      expect(one.deliveries[0]).toMatchObject({ attempts: 1, priority: 'interactive' })
      await one.deliveries[0]?.settle()
      await subject.settle()
      expect(one.ids).toEqual(['a'])
      await queue.close()
    })

    it('delivers the most urgent first, and the oldest of a level first', async () => {
      const queue = await subject.open(100)
      for (const [id, priority] of [
        ['b1', 'background'],
        ['s1', 'batch'],
        ['i1', 'interactive'],
        ['p1', 'proactive'],
        ['i2', 'interactive'],
        ['p2', 'proactive'],
      ] as const) {
        await queue.publish('n1', task(id), priority)
      }
      expect(queue.depth()).toEqual({ proactive: 2, interactive: 2, batch: 1, background: 1 })
      expect(await drain(queue, 'n1', 6)).toEqual(['p1', 'p2', 'i1', 'i2', 's1', 'b1'])
      expect(queue.depth()).toEqual({ proactive: 0, interactive: 0, batch: 0, background: 0 })
      await queue.close()
    })

    it(`gives one slot in ${starvationShare} to the lowest level that waits`, async () => {
      const queue = await subject.open(1_000)
      for (let i = 0; i < 100; i++) await queue.publish('n1', task(`i${i}`), 'interactive')
      for (let i = 0; i < 3; i++) await queue.publish('n1', task(`b${i}`), 'background')
      const order = await drain(queue, 'n1', 103)
      const places = ['b0', 'b1', 'b2'].map((id) => order.indexOf(id) + 1)
      expect(places).toEqual([starvationShare, 2 * starvationShare, 3 * starvationShare])
      await queue.close()
    })

    it('delivers no more unsettled tasks than there are slots', async () => {
      const queue = await subject.open(100)
      const { ids, deliveries, deliver } = gather()
      for (const id of ['a', 'b', 'c']) await queue.publish('n1', task(id), 'batch')
      queue.consume('n1', 2, deliver)
      await arrive(ids, ['a', 'b'])
      await deliveries[1]?.settle()
      await arrive(ids, ['a', 'b', 'c'])
      await queue.close()
    })

    it('refuses a task at the limit, and takes it again when there is room', async () => {
      const queue = await subject.open(2)
      await queue.publish('n1', task('a'), 'batch')
      await queue.publish('n1', task('b'), 'batch')
      await expect(queue.publish('n1', task('c'), 'proactive')).rejects.toMatchObject({ code: 'QUEUE_FULL' })
      expect(await queue.withdraw('a')).toBe(true)
      await queue.publish('n1', task('c'), 'proactive')
      expect(await drain(queue, 'n1', 2)).toEqual(['c', 'b'])
      await queue.close()
    })

    it('takes back a waiting task, and not a delivered one', async () => {
      const queue = await subject.open(100)
      await queue.publish('n1', task('a'), 'batch')
      expect(await queue.withdraw('a')).toBe(true)
      expect(await queue.withdraw('a')).toBe(false)
      await queue.publish('n1', task('b'), 'batch')
      const { ids, deliver } = gather()
      queue.consume('n1', 1, deliver)
      await arrive(ids, ['b'])
      expect(await queue.withdraw('b')).toBe(false)
      await queue.close()
    })

    it('returns a released task to the queue and counts its tries', async () => {
      const queue = await subject.open(100)
      const { ids, deliveries, deliver } = gather()
      queue.consume('n1', 1, deliver)
      await queue.publish('n1', task('a'), 'batch')
      await arrive(ids, ['a'])
      await deliveries[0]?.release()
      await arrive(ids, ['a', 'a'])
      expect(deliveries[1]?.attempts).toBe(2)
      await queue.close()
    })

    it('returns what a stopped consumer has not settled', async () => {
      const queue = await subject.open(100)
      const first = gather()
      const consumer = queue.consume('n1', 2, first.deliver)
      await queue.publish('n1', task('a'), 'batch')
      await queue.publish('n1', task('b'), 'batch')
      await arrive(first.ids, ['a', 'b'])
      await first.deliveries[0]?.settle()
      await consumer.stop()
      // Too late: the task has gone back already.
      await first.deliveries[1]?.settle()
      expect(await drain(queue, 'n1', 1)).toEqual(['b'])
      await queue.close()
    })
  })
}
