import { parentPort, workerData } from 'node:worker_threads'
import { toErrorRecord } from '../../model/errors.js'
import { fromSqliteError } from '../database.js'
import { ReaderCore } from './reader-core.js'
import type { FromReader, ReaderThreadData, ToReader } from './reader-messages.js'

/** Entry of the reader's thread. */
function main(): void {
  const port = parentPort
  if (port === null) throw new Error('the lineage reader runs in a worker thread')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  const send = (message: FromReader): void => port.postMessage(message)
  try {
    const core = new ReaderCore(workerData as ReaderThreadData)
    port.on('message', (message: ToReader) => {
      const answered = answer(core, message)
      const done = (given: FromReader): void => {
        send(given)
        if (message.name === 'close') port.close()
      }
      // What SQLite answers goes out at once; what another server is asked for, when it comes.
      if (answered instanceof Promise) void answered.then(done)
      else done(answered)
    })
    send({ type: 'opened' })
  } catch (error) {
    send({ type: 'not-opened', error: toErrorRecord(fromSqliteError(error, 'the lineage folder')) })
  }
}

function answer(core: ReaderCore, { request, name, arguments: values }: ToReader): FromReader | Promise<FromReader> {
  const failed = (error: unknown): FromReader => ({ type: 'answer', request, error: toErrorRecord(error) })
  try {
    const handler = core.handlers[name] as (...values: readonly unknown[]) => unknown
    const value = handler(...values)
    if (!(value instanceof Promise)) return { type: 'answer', request, value }
    return value.then((given: unknown): FromReader => ({ type: 'answer', request, value: given }), failed)
  } catch (error) {
    return failed(error)
  }
}

main()
