import { hash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'
import type { FromGraph } from '../../src/lineage/graph-messages.js'
import { GraphProjection } from '../../src/lineage/graph-projection.js'
import { LineageLog, lineageFiles } from '../../src/lineage/lineage-log.js'
import { defaultLimits } from '../../src/lineage/retention.js'
import { baseRead, noon, snapshotEvent, taskEvent, temporaryFolder } from './lineage-fixtures.js'

it('tells once that the log cannot be truncated for want of room', async () => {
  const folder = temporaryFolder()
  mkdirSync(folder, { recursive: true })
  const log = LineageLog.open(lineageFiles(folder).log, defaultLimits.logBytesMax)
  // Texts that do not become small in a checkpoint.
  const tasks = [...Array(500).keys()].map((index) => {
    const template = hash('sha256', String(index), 'hex')
    return taskEvent(`t${index}`, { base: [baseRead('S1', 't', [index % 5])], template })
  })
  const events = [snapshotEvent('S1', 't', 5), ...tasks]
  log.append(
    events.map(({ id }) => id),
    events.map((event) => JSON.stringify(event)),
    noon / 1000,
  )
  log.close()
  const told: FromGraph[] = []
  const limits = { ...defaultLimits, logBytesMax: 1 }
  const graph = new GraphProjection(
    { folder, limits, now: noon / 1000 },
    (message) => told.push(message),
    () => {},
  )
  onTestFinished(() => graph.receive({ type: 'call', request: 1, name: 'close', arguments: [] }))
  const count = (type: FromGraph['type']): number => told.filter((message) => message.type === type).length
  await expect.poll(() => count('truncated'), { timeout: 10_000 }).toBe(1)
  expect(told).toContainEqual({ type: 'failure', error: expect.objectContaining({ code: 'DISK_EXCEEDED' }) })
  graph.receive({ type: 'upkeep' })
  await expect.poll(() => count('truncated'), { timeout: 10_000 }).toBe(2)
  expect(count('failure')).toBe(1)
})
