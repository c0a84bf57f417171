import { expect, it } from 'vitest'
import { NodePool } from '../../src/engine/embedded/node-pool.js'
import { FakeFleet } from '../simulation/fake-fleet.js'

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
