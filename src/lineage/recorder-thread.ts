import { parentPort, workerData } from 'node:worker_threads'
import { toErrorRecord } from '../model/errors.js'
import { fromSqliteError } from './database.js'
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
  } catch (error) {
    send({ type: 'not-opened', error: toErrorRecord(fromSqliteError(error, 'the lineage folder')) })
  }
}

main()
