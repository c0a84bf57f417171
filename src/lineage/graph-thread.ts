import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { toErrorRecord } from '../model/errors.js'
import { fromSqliteError } from './database.js'
import type { FromGraph, GraphThreadData, ToGraph } from './graph-messages.js'
import { GraphProjection } from './graph-projection.js'

/** How much less of a busy processor the graph gets than queries and commits: about a quarter of their share. */
const niceness = 5

/** Entry of the graph's thread. */
function main(): void {
  const port = parentPort
  if (port === null) throw new Error('the graph is kept in a worker thread')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  const send = (message: FromGraph): void => port.postMessage(message)
  // Linux alone has priorities of threads: elsewhere it would be the whole process's.
  if (process.platform === 'linux') setPriority(niceness)
  try {
    const projection = new GraphProjection(workerData as GraphThreadData, send, () => port.close())
    port.on('message', (message: ToGraph) => projection.receive(message))
    send({ type: 'opened' })
  } catch (error) {
    send({ type: 'not-opened', error: toErrorRecord(fromSqliteError(error, 'the lineage folder')) })
  }
}

main()
