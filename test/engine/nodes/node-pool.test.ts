import { expect, it, vi } from 'vitest'
import { NodePool } from '../../../src/engine/embedded/nodes/node-pool.js'
import { FakeFleet } from '../../simulation/fake-fleet.js'

const never = new AbortController().signal

function threeNodes() {
  const fleet = new FakeFleet(3, 1)
  return { fleet, pool: new NodePool({ fleet, memoryBytesPerNode: 1 }) }
}

it('waits for all nodes that start, when all are asked for', async () => {
  const { fleet, pool } = threeNodes()
  const wanted = pool.want(3, true, never)
  fleet.becomeReady('n1')
  fleet.becomeReady('n3')
  expect(await Promise.race([wanted, Promise.resolve('waits')])).toBe('waits')
  fleet.becomeReady('n2')
  expect(await wanted).toEqual(['n1', 'n2', 'n3'])
})

it('waits for no node again that ended while it was waited for', async () => {
  const { fleet, pool } = threeNodes()
  const wanted = pool.want(3, true, never)
  fleet.becomeReady('n1')
  fleet.becomeReady('n2')
  fleet.die('n3', 'killed')
  await fleet.start('n3')
  expect(await wanted).toEqual(['n1', 'n2'])
})

it('waits for the first node as often as it takes', async () => {
  const { fleet, pool } = threeNodes()
  const wanted = pool.want(1, false, never)
  for (let round = 0; round < 3; round++) {
    fleet.die('n1', 'killed')
    await fleet.start('n1')
  }
  expect(await Promise.race([wanted, Promise.resolve('waits')])).toBe('waits')
  fleet.becomeReady('n1')
  expect(await wanted).toEqual(['n1'])
})

it('says which start is waited for, and why the one before failed', async () => {
  const { fleet, pool } = threeNodes()
  expect(pool.why()).toBe('no node is ready')
  const start = vi
    .spyOn(fleet, 'start')
    .mockRejectedValueOnce(new Error('n1 did not come within 300 s: no capacity in this zone'))
  await expect(pool.start('n1', 1, never)).rejects.toThrow('no capacity')
  start.mockRestore()
  const wanted = pool.want(1, false, never)
  expect(pool.why()).toBe('n1 is starting again: n1 did not come within 300 s: no capacity in this zone')
  fleet.becomeReady('n1')
  await wanted
  await pool.start('n1', 1, never)
  fleet.die('n1', 'killed')
  await fleet.start('n1')
  expect(pool.why()).toBe('n1 is starting')
})
