import { conformsAsTaskQueue } from '../conformance/task-queue.js'
import { brokers } from './brokers.js'
import { openQueueUnderTest, type QueueUnderTest } from './queue-under-test.js'

for (const name of brokers) {
  let under: QueueUnderTest | undefined
  conformsAsTaskQueue(name, {
    open: async (tasksMax) => {
      under = await openQueueUnderTest(name, { tasksMax })
      return under.queue
    },
    settle: async () => {
      await under?.flowing()
      await new Promise((resolve) => setTimeout(resolve, 250))
    },
  })
}
