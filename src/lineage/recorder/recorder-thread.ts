import { parentPort, workerData } from 'node:worker_threads'
import { toErrorRecord } from '../../model/errors.js'
import { fromSqliteError } from '../database.js'
import { RecorderCore } from './recorder-core.js'
import type { FromRecorder, RecorderThreadData, ToRecorder } from './recorder-messages.js'

/** Entry of the recorder's thread. */
function main(): void {
  const port = parentPort
  if (port === null) throw new Error('the recorder runs in a worker thread')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  const send = (message: FromRecorder): void => port.postMessage(message)
  try {
    const core = new RecorderCore(workerData as RecorderThreadData, send, () => port.close())
    port.on('message', (message: ToRecorder) => core.receive(message))
    endThreadsFirst(core)
  } catch (error) {
    send({ type: 'not-opened', error: toErrorRecord(fromSqliteError(error, 'the lineage folder')) })
  }
}

/**
 * A failure that nobody catches ends this thread, and the threads that it has started with it: one that is inside a statement of
 * SQLite then would take the whole process along. So they end by themselves before the failure goes its way.
 */
function endThreadsFirst(core: RecorderCore): void {
  process.once('uncaughtException', (error) => {
    const fail = (): void => {
      throw error
    }
    core.endThreads().then(
      () => setImmediate(fail),
      () => setImmediate(fail),
    )
  })
}

main()
