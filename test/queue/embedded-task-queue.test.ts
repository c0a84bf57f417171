import { EmbeddedTaskQueue } from '../../src/queue/embedded/embedded-task-queue.js'
import { conformsAsTaskQueue } from '../conformance/task-queue.js'

conformsAsTaskQueue('EmbeddedTaskQueue', {
  open: async (tasksMax) => new EmbeddedTaskQueue({ tasksMax }),
  settle: () => new Promise((resolve) => setImmediate(resolve)),
})
