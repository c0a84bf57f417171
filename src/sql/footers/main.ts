import type { FromFooterReader, ToFooterReader } from '../planner/messages.js'
import { FooterSession } from './footer-session.js'

/** The footer process: reads what it is asked for, one request after the other, and ends with its channel. */
const send = (message: FromFooterReader): void => {
  process.send?.(message)
}
process.on('disconnect', () => process.exit(0))
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)

const session = await FooterSession.open()
let last = Promise.resolve()
process.on('message', (message: ToFooterReader) => {
  last = last.then(async () => {
    if (message.type === 'footers') send({ type: 'footers', id: message.id, footers: await session.read(message.paths) })
    else send({ type: 'described', id: message.id, result: await session.describe(message.paths) })
  })
})
send({ type: 'ready' })
