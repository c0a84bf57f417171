import { hash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'
import { LineageLog, lineageFiles } from '../../../src/lineage/log/lineage-log.js'
import { defaultLimits } from '../../../src/lineage/log/retention.js'
import { checkpointAndTruncate } from '../../../src/lineage/projection/chores.js'
import { GraphDatabase } from '../../../src/lineage/projection/graph-database.js'
import type { FromGraph } from '../../../src/lineage/projection/graph-messages.js'
import { GraphProjection } from '../../../src/lineage/projection/graph-projection.js'
import { baseRead, noon, snapshotEvent, taskEvent, temporaryFolder } from '../lineage-fixtures.js'

it('brings to its end a truncation that was cut off when it had forgotten what was to leave', async () => {
  const folder = temporaryFolder()
  const files = lineageFiles(folder)
  const log = LineageLog.open(files.log, defaultLimits.logBytesMax)
  const graph = new GraphDatabase(files.graph, log)
  const events = [
    snapshotEvent('S1', 't', 5),
    ...['t1', 't2', 't3'].map((id) => taskEvent(id, { base: [baseRead('S1', 't', [0])] })),
  ]
  log.append(
    events.map(({ id }) => id),
    events.map((event) => JSON.stringify(event)),
    noon / 1000,
  )
  graph.advance(4)
  const chore = checkpointAndTruncate(log, graph, files.graph, 2, 100)
  for (const _ of ['limits', 'bequeath', 'forget']) chore.next()
  graph.close()
  const told: FromGraph[] = []
  const projection = new GraphProjection(
    { folder, limits: defaultLimits, now: noon / 1000 },
    (message) => told.push(message),
    () => {},
  )
  onTestFinished(() => {
    projection.receive({ type: 'call', request: 2, name: 'close', arguments: [] })
    log.close()
  })
  projection.receive({ type: 'call', request: 1, name: 'verify', arguments: [] })
  const answer = (): unknown => told.find((message) => message.type === 'answer')
  await expect.poll(answer, { timeout: 10_000 }).toMatchObject({ value: { identical: true } })
  expect([log.from(), log.fact('checkpointOffset')]).toEqual([2, 4])
})

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
