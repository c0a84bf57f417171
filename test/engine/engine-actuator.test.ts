import { expect, test } from 'vitest'
import { EngineActuator } from '../../src/engine/embedded/engine-actuator.js'
import type { EngineParts } from '../../src/engine/embedded/engine-parts.js'
import type { NodeReplies } from '../../src/engine/embedded/node-replies.js'
import type { PackKeeper } from '../../src/engine/embedded/pack-keeper.js'

test('waits no longer for a node to warm a pack when it is told to stop, and lets go of the pack', async () => {
  const pinned = new Set<string>()
  const packs = {
    get: (id: string) => ({ id }),
    pin: (id: string) => pinned.add(id),
    unpin: async (id: string) => pinned.delete(id),
  }
  const replies = { warmPack: () => new Promise<never>(() => {}) }
  const actuator = new EngineActuator({ packs } as unknown as EngineParts, {} as PackKeeper, replies as unknown as NodeReplies, {
    busy: () => false,
    runAhead: () => {
      throw new Error('nothing is computed ahead')
    },
    untilIdle: async () => {},
  })
  const stop = new AbortController()
  const warmed = actuator.warmPack('p-1', 'n1', ['a'], stop.signal)
  expect([...pinned]).toEqual(['p-1'])
  stop.abort(new Error('the allocator stops'))
  await expect(warmed).rejects.toThrow('the allocator stops')
  expect([...pinned]).toEqual([])
})
