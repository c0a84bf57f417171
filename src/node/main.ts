/** Entry of a node's process: forked by the coordinator, configured by FOREBAY_NODE, spoken to over the channel. */
import type { FromNode, NodeConfiguration, ToNode } from '../model/messages.js'
import { NodeProcess } from './node-process.js'

/** Ends at once: the coordinator is gone, and nothing here is worth saving. */
function end(): void {
  process.kill(process.pid, 'SIGKILL')
}

function send(message: FromNode): void {
  if (!process.connected) return end()
  process.send?.(message, undefined, undefined, (error) => {
    if (error !== null) end()
  })
}

const configuration = JSON.parse(process.env['FOREBAY_NODE'] ?? '{}') as NodeConfiguration
process.once('disconnect', end)
// The coordinator decides when a node stops; a terminal's Ctrl-C reaches the whole group.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)

const early: ToNode[] = []
let receive = (message: ToNode): void => void early.push(message)
process.on('message', (message) => receive(message as ToNode))

const { queue } = configuration
const link = queue === undefined ? undefined : await (await import('./queue-link.js')).QueueLink.open(configuration, queue, send)
const node = await NodeProcess.start(configuration, link === undefined ? send : (message) => link.send(message))
link?.start((message) => node.receive(message))
receive = (message) => {
  link?.notice(message)
  node.receive(message)
}
for (const message of early) receive(message)
