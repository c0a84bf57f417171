import { expect, it } from 'vitest'
import { snapshotEvent } from '../../src/catalog/snapshot.js'
import { LineageFeed } from '../../src/engine/embedded/lineage-feed.js'
import { systemClock } from '../../src/model/clock.js'
import { ForebayError } from '../../src/model/errors.js'
import type { LineageEvent } from '../../src/model/lineage-event.js'
import type { Snapshot } from '../../src/model/segment.js'
import { FakeFleet } from '../simulation/fake-fleet.js'

it('tells of the same versions of files as the catalogue does, so that a vertex stays as it is', async () => {
  const recorded: LineageEvent[] = []
  const recorder = {
    record: async (events: readonly LineageEvent[]) => void recorded.push(...events),
    saveQuery: () => {},
    put: async () => {},
    get: async () => undefined,
    reconcile: async () => 0,
  }
  const feed = new LineageFeed({ recorder, fleet: new FakeFleet(1, 1), clock: systemClock, onError: () => {} })
  const file = { path: '/lake/t.parquet', size: 9, mtimeNs: '7', inode: '5', footerHash: 'f' }
  const snapshot = { id: 'S1', dataset: 't', segments: [{ id: 's-1', file }], createdAt: 1 } as unknown as Snapshot
  feed.snapshots([snapshot])
  await feed.close()
  expect(recorded).toMatchObject([{ kind: 'snapshot', locations: snapshotEvent(snapshot, 1).locations }])
})

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
