/**
 * The other side of the comparison for the cost of lineage: registered with `node --import`, it puts empty forms in the place of
 * the three modules that capture lineage (what nodes note of every move, what they send, what the engine adds), in every process
 * of a server. The product has no such switch.
 */
import { register } from 'node:module'

const empty = {
  '/transfer/capture-transfer.js': `
    const keep = (node) => ({ node, baseReads: [], derivedReads: [], transfers: [] })
    export const openTransferLog = keep
    export const captureTransfer = async (log, source, move) => (await move()).value
    export const captureReads = (log, moves, run) => run()
    export const bytesMoved = () => 0`,
  '/node/lineage-outbox.js': `
    export class LineageOutbox {
      held = 0
      isFull = false
      add() {}
      flush() {}
      acknowledge() {}
      async drained() {}
    }`,
  '/engine/embedded/lineage-feed.js': `
    export class LineageFeed {
      #clock
      constructor({ clock }) { this.#clock = clock }
      snapshots() {}
      written() {}
      columns() {}
      evicted() {}
      record() {}
      take() { return Promise.resolve(true) }
      micros() { return Math.round(this.#clock.now() * 1000) }
      async close() {}
    }`,
}

const hook = `
  const empty = ${JSON.stringify(empty)}
  export async function load(url, context, next) {
    const place = Object.keys(empty).find((end) => url.endsWith('/dist' + end))
    return place === undefined ? next(url, context) : { format: 'module', source: empty[place], shortCircuit: true }
  }`
register(`data:text/javascript,${encodeURIComponent(hook)}`)
