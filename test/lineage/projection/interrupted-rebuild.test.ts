import { expect, it, onTestFinished } from 'vitest'
import { inTransaction } from '../../../src/lineage/database.js'
import { LineageLog, lineageFiles } from '../../../src/lineage/log/lineage-log.js'
import { logBody } from '../../../src/lineage/log/log-body.js'
import {
  catchUpWithCheckpoint,
  checkpointAndTruncate,
  isBehindCheckpoint,
  verifyGraph,
} from '../../../src/lineage/projection/chores.js'
import { GraphDatabase } from '../../../src/lineage/projection/graph-database.js'
import { baseRead, snapshotEvent, taskEvent, temporaryFolder } from '../lineage-fixtures.js'

function drain<T>(chore: Generator<void, T>): T {
  for (;;) {
    const step = chore.next()
    if (step.done === true) return step.value
  }
}

/** A log of ten tasks, all truncated after a checkpoint, and its graph. */
function truncatedLog() {
  const files = lineageFiles(temporaryFolder())
  const log = LineageLog.open(files.log, 1e9)
  const graph = new GraphDatabase(files.graph, log)
  onTestFinished(() => {
    graph.close()
    log.close()
  })
  const tasks = Array.from({ length: 10 }, (_, index) => taskEvent(`t${index}`, { base: [baseRead('S1', 't', [0])] }))
  const events = [snapshotEvent('S1', 't', 5), ...tasks]
  inTransaction(log.database, () =>
    log.append(
      events.map(({ id }) => id),
      events.map(logBody),
      1,
    ),
  )
  graph.advance(100)
  const hash = (): string => drain(verifyGraph(log, files.graph)).hash
  const truncate = () => drain(checkpointAndTruncate(log, graph, files.graph, log.next(), 1_000))
  truncate()
  return { log, graph, hash, truncate }
}

it('knows a graph whose rebuild did not come to its end, and loads the checkpoint again', () => {
  const { log, graph, hash } = truncatedLog()
  const whole = hash()
  expect(isBehindCheckpoint(log, graph)).toBe(false)
  graph.change(() => graph.clear())
  expect(isBehindCheckpoint(log, graph)).toBe(true)
  expect(hash()).not.toBe(whole)
  drain(catchUpWithCheckpoint(log, graph))
  expect([isBehindCheckpoint(log, graph), hash()]).toEqual([false, whole])
})

it('takes no checkpoint of a graph whose rebuild did not come to its end', () => {
  const { graph, hash, truncate } = truncatedLog()
  const whole = hash()
  graph.change(() => graph.clear())
  truncate()
  expect(hash()).toBe(whole)
})
