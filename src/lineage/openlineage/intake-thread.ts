import { parentPort } from 'node:worker_threads'
import { toErrorRecord } from '../../model/errors.js'
import { takeIn } from './intake.js'
import type { FromIntake, ToIntake } from './intake-messages.js'
import { unpack } from './unpack.js'

/** Entry of the thread that reads large bodies. */
function main(): void {
  const port = parentPort
  if (port === null) throw new Error('the intake runs in a worker thread')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  const send = (message: FromIntake): void => port.postMessage(message)
  port.on('message', ({ request, bytes, encoding, bytesMax }: ToIntake) => {
    try {
      send({ request, intake: takeIn(unpack(bytes, encoding, bytesMax)) })
    } catch (error) {
      send({ request, error: toErrorRecord(error) })
    }
  })
}

main()
