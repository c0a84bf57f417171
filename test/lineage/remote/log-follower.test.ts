import { expect, it, onTestFinished } from 'vitest'
import { LineageLog, lineageFiles } from '../../../src/lineage/log/lineage-log.js'
import { logBody } from '../../../src/lineage/log/log-body.js'
import { checkpointAndTruncate } from '../../../src/lineage/projection/chores.js'
import { GraphDatabase } from '../../../src/lineage/projection/graph-database.js'
import { LogFollower } from '../../../src/lineage/remote/log-follower.js'
import type { LineageEvent } from '../../../src/model/lineage-event.js'
import { baseRead, noon, snapshotEvent, taskEvent, temporaryFolder } from '../lineage-fixtures.js'

/** A log of eight events whose first three left it after a checkpoint of all; the last but one refers to the second and the third. */
function truncatedLog(): LogFollower {
  const folder = temporaryFolder()
  const files = lineageFiles(folder)
  const log = LineageLog.open(files.log, 1e9)
  const graph = new GraphDatabase(files.graph, log)
  const base = [baseRead('S1', 't', [0])]
  const segments = [{ id: 's-copy-0', rows: 5, bytes: 60 }]
  const events: LineageEvent[] = [
    snapshotEvent('S1', 't', 5),
    taskEvent('w1', { kind: 'write', role: 'root', base, queryId: 'q-w' }),
    taskEvent('w2', { kind: 'write', role: 'root', base, queryId: 'q-w' }),
    ...[1, 2, 3].map((number) => taskEvent(`t${number}`, { base })),
    { kind: 'written', id: 'written', at: noon, queryId: 'q-w', table: 'copy', snapshot: 'C1', segments },
    taskEvent('t4', { base }),
  ]
  log.append(
    events.map(({ id }) => id),
    events.map(logBody),
    1,
  )
  graph.advance(100)
  for (const _ of checkpointAndTruncate(log, graph, files.graph, 3, 100)) continue
  const follower = new LogFollower(folder)
  onTestFinished(() => {
    follower.close()
    graph.close()
    log.close()
  })
  return follower
}

it('lets a store go on whose next events are in the log, though the checkpoint is of later', () => {
  const follower = truncatedLog()
  expect([3, 5, 8].map((offset) => follower.mustRefill(offset))).toEqual([false, false, false])
  // One that has nothing may have a part of a checkpoint whose filling was cut off.
  expect([0, 2].map((offset) => follower.mustRefill(offset))).toEqual([true, true])
})

it('gives no event of which a part has left the log, and says that a store cannot go on there', () => {
  const follower = truncatedLog()
  expect(follower.batch(4, 100)).toMatchObject({ from: 4, to: 6 })
  expect([follower.batch(6, 100), follower.has(6)]).toEqual([undefined, false])
  expect([follower.batch(7, 100)?.to, follower.has(7), follower.has(8)]).toEqual([8, true, true])
})
