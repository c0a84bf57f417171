import { parentPort, workerData } from 'node:worker_threads'
import { toErrorRecord } from '../../model/errors.js'
import { fromSqliteError } from '../database.js'
import type { FromGraph, GraphThreadData, ToGraph } from './graph-messages.js'
import { GraphProjection } from './graph-projection.js'

/** Entry of the graph's thread. */
function main(): void {
  const port = parentPort
  if (port === null) throw new Error('the graph is kept in a worker thread')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  const send = (message: FromGraph): void => port.postMessage(message)
  try {
    const projection = new GraphProjection(workerData as GraphThreadData, send, () => port.close())
    port.on('message', (message: ToGraph) => projection.receive(message))
  } catch (error) {
    send({ type: 'not-opened', error: toErrorRecord(fromSqliteError(error, 'the lineage folder')) })
  }
}

main()
