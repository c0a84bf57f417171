import { parentPort, workerData } from 'node:worker_threads'
import { toErrorRecord } from '../../model/errors.js'
import { LogFollower } from './log-follower.js'
import type { FromStore, StoreThreadData, ToStore } from './store-messages.js'
import { StoreProjection } from './store-projection.js'

/** Entry of the thread that keeps one more graph. */
function main(): void {
  const port = parentPort
  if (port === null) throw new Error('a lineage store works in a worker thread')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  const send = (message: FromStore): void => port.postMessage(message)
  const { folder, store } = workerData as StoreThreadData
  let told: string | undefined = ''
  const projection = new StoreProjection(store, new LogFollower(folder), {
    offset: (offset) => send({ type: 'offset', offset }),
    state: (failure) => {
      if (failure === told) return
      told = failure
      send({ type: 'state', ...(failure === undefined ? {} : { failure }) })
    },
  })
  port.on('message', (message: ToStore) => {
    if (message.type === 'wake') return projection.wake()
    const { request, name } = message
    const done = (value?: unknown): void => send({ type: 'answer', request, value })
    projection[name]().then(
      (value) => {
        done(value)
        if (name === 'close') port.close()
      },
      (error: unknown) => send({ type: 'answer', request, error: toErrorRecord(error) }),
    )
  })
  projection.start()
}

main()
