import type { EventEmitter } from 'node:events'
import { expect, it, vi } from 'vitest'
import { defaultLimits } from '../../../src/lineage/log/retention.js'
import { GraphSupervisor } from '../../../src/lineage/projection/graph-supervisor.js'

const threads = vi.hoisted((): EventEmitter[] => [])

vi.mock('node:worker_threads', async () => {
  const events = await import('node:events')
  class FakeWorker extends events.EventEmitter {
    constructor() {
      super()
      threads.push(this)
    }
    postMessage(): void {}
  }
  return { Worker: FakeWorker }
})

it('throws what the thread died of once it has ended, so that nobody waits for its end for ever', async () => {
  const supervisor = new GraphSupervisor({ folder: '', limits: defaultLimits, now: 0 }, () => {})
  const [thread] = threads
  // What Node does in one function where a thread has no memory left.
  const end = (): void => {
    thread?.emit('error', new Error('out of memory'))
    thread?.emit('exit', 1)
  }
  expect(end).toThrow('out of memory')
  await supervisor.close()
})
