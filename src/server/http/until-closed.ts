import type { ServerResponse } from 'node:http'
import { ForebayError } from '../../model/errors.js'

/** A signal that is aborted when the client goes away before its answer. */
export function untilClosed(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(new ForebayError('CANCELLED', 'the client went away'))
  })
  return controller.signal
}
