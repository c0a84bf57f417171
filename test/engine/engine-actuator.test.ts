import { expect, test } from 'vitest'
import { EngineActuator } from '../../src/engine/embedded/engine-actuator.js'
import type { EngineParts } from '../../src/engine/embedded/engine-parts.js'
import type { PackKeeper } from '../../src/engine/embedded/kept/pack-keeper.js'
import type { NodeReplies } from '../../src/engine/embedded/nodes/node-replies.js'
import type { QueryExecution } from '../../src/engine/embedded/query-execution.js'
import { ForebayError } from '../../src/model/errors.js'

function actuatorOf(given: {
  readonly parts?: object
  readonly replies?: object
  readonly runAhead?: () => object
}): EngineActuator {
  const { parts = {}, replies = {}, runAhead = () => ({}) } = given
  return new EngineActuator(parts as EngineParts, {} as PackKeeper, replies as NodeReplies, {
    busy: () => false,
    runAhead: () => runAhead() as QueryExecution,
    untilIdle: async () => {},
  })
}

test('waits no longer for a node to warm a pack when it is told to stop, and lets go of the pack', async () => {
  const pinned = new Set<string>()
  const packs = {
    get: (id: string) => ({ id }),
    pin: (id: string) => pinned.add(id),
    unpin: async (id: string) => pinned.delete(id),
  }
  const replies = { warmPack: () => new Promise<never>(() => {}) }
  const actuator = actuatorOf({ parts: { packs }, replies })
  const stop = new AbortController()
  const warmed = actuator.warmPack('p-1', 'n1', ['a'], stop.signal)
  expect([...pinned]).toEqual(['p-1'])
  stop.abort(new Error('the allocator stops'))
  await expect(warmed).rejects.toThrow('the allocator stops')
  expect([...pinned]).toEqual([])
})

test('accounts also for what a computation took that gave way to a query and was begun again', async () => {
  const empty = async function* (): AsyncGenerator<Uint8Array> {}
  const attempts = [
    { result: () => Promise.reject(new ForebayError('CANCELLED', 'a query came first')), cost: { cpuMs: 300, wallMs: 400 } },
    { result: () => Promise.resolve({ body: empty() }), cost: { cpuMs: 200, wallMs: 250 } },
  ]
  const runAhead = () => {
    const attempt = attempts.shift()
    return { result: attempt?.result(), cost: () => attempt?.cost, cancel: () => {} }
  }
  const actuator = actuatorOf({ parts: { derived: { bytes: 0 } }, runAhead })
  const query = { sql: 'SELECT 1', params: {}, tenant: 'team', timeZone: 'UTC' }
  expect(await actuator.precompute(query, new AbortController().signal)).toEqual({ cpuMs: 500, wallMs: 250, heldBytes: 0 })
})
