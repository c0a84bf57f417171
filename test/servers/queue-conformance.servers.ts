import { conformsAsTaskQueue } from '../conformance/task-queue.js'
import { brokers } from './brokers.js'
import { openQueueUnderTest, type QueueUnderTest } from './queue-under-test.js'

const variants = [...brokers.map((name) => ({ name, search: '' })), { name: 'rabbitmq', search: '?replicated=true' } as const]

for (const { name, search } of variants) {
  let under: QueueUnderTest | undefined
  conformsAsTaskQueue(`${name}${search}`, {
    open: async (tasksMax) => {
      under = await openQueueUnderTest(name, { tasksMax, search })
      return under.queue
    },
    settle: async () => {
      await under?.flowing()
      await new Promise((resolve) => setTimeout(resolve, 250))
    },
  })
}
