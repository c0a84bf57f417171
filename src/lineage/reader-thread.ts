import { parentPort, workerData } from 'node:worker_threads'
import { toErrorRecord } from '../model/errors.js'
import { fromSqliteError } from './database.js'
import { ReaderCore } from './reader-core.js'
import type { FromReader, ToReader } from './reader-messages.js'

/** Entry of the reader's thread. */
function main(): void {
  const port = parentPort
  if (port === null) throw new Error('the lineage reader runs in a worker thread')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  const send = (message: FromReader): void => port.postMessage(message)
  try {
    const core = new ReaderCore(workerData as string)
    port.on('message', (message: ToReader) => {
      send(answer(core, message))
      if (message.name === 'close') port.close()
    })
    send({ type: 'opened' })
  } catch (error) {
    send({ type: 'not-opened', error: toErrorRecord(fromSqliteError(error, 'the lineage folder')) })
  }
}

function answer(core: ReaderCore, { request, name, arguments: values }: ToReader): FromReader {
  try {
    const handler = core.handlers[name] as (...values: readonly unknown[]) => unknown
    return { type: 'answer', request, value: handler(...values) }
  } catch (error) {
    return { type: 'answer', request, error: toErrorRecord(error) }
  }
}

main()
