import { expect, it } from 'vitest'
import { LineageFeed } from '../../src/engine/embedded/lineage-feed.js'
import { systemClock } from '../../src/model/clock.js'
import { ForebayError } from '../../src/model/errors.js'
import type { LineageEvent } from '../../src/model/lineage-event.js'
import type { Snapshot } from '../../src/model/segment.js'
import { FakeFleet } from '../simulation/fake-fleet.js'

it('logs a snapshot again that the log refused, and no other twice', async () => {
  const recorded: string[] = []
  let full = true
  const recorder = {
    record: async (events: readonly LineageEvent[]) => {
      if (full) throw new ForebayError('DISK_EXCEEDED', 'the lineage log is full')
      recorded.push(...events.map(({ id }) => id))
    },
    saveQuery: () => {},
    put: async () => {},
    get: async () => undefined,
    reconcile: async () => 0,
  }
  const feed = new LineageFeed({ recorder, fleet: new FakeFleet(1, 1), clock: systemClock, onError: () => {} })
  const snapshot = { id: 'S1', dataset: 't', segments: [] } as unknown as Snapshot
  feed.snapshots([snapshot])
  await new Promise((resolve) => setImmediate(resolve))
  full = false
  feed.snapshots([snapshot])
  feed.snapshots([snapshot])
  await feed.close()
  expect(recorded).toEqual(['snapshot:S1'])
})
