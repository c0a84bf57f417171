import { afterEach, expect, it, vi } from 'vitest'
import type { LineageBatch } from '../../../src/lineage/lineage-store.js'
import { LineageLog, lineageFiles } from '../../../src/lineage/log/lineage-log.js'
import { checkpointAndTruncate } from '../../../src/lineage/projection/chores.js'
import { GraphDatabase } from '../../../src/lineage/projection/graph-database.js'
import { LogFollower } from '../../../src/lineage/remote/log-follower.js'
import { StoreProjection } from '../../../src/lineage/remote/store-projection.js'
import { SqliteLineageStore } from '../../../src/lineage/sqlite/sqlite-lineage-store.js'
import { baseRead, snapshotEvent, taskEvent, temporaryFolder } from '../lineage-fixtures.js'

/** What the store modules below have seen; they are loaded by address, as real ones are. */
const seen = globalThis as typeof globalThis & { openings?: number; batches?: LineageBatch[]; store?: SqliteLineageStore }
const refusing = module('seen.openings++; throw new Error("refused")')
const taking = module(`return {
  offset: async () => 0, origin: async () => 'this-log',
  apply: async (batch) => void seen.batches.push(batch), close: async () => {} }`)
const handing = module('return seen.store')

let projection: StoreProjection | undefined
afterEach(async () => {
  await projection?.close()
  vi.useRealTimers()
})

function module(body: string): string {
  return `data:text/javascript,${encodeURIComponent(`const seen = globalThis; export async function openLineageStore() { ${body} }`)}`
}

/** A log to which an event comes each time it is asked where it ends. */
function growingLog(): LogFollower {
  let end = 1
  const log = {
    id: () => 'this-log',
    end: () => end,
    next: () => ++end,
    has: () => true,
    mustRefill: () => false,
    batch: (from: number) => ({ from, to: end, vertices: [], edges: [], folds: [] }),
    close: () => {},
  }
  return log as unknown as LogFollower
}

/** Wakes a projection every few milliseconds, as events that come in do. */
async function during(ms: number, address: string): Promise<void> {
  seen.openings = 0
  seen.batches = []
  // Loaded already, it comes without waiting for anything but the timers below.
  await import(address)
  vi.useFakeTimers()
  projection = new StoreProjection({ name: 'other', module: address, options: {} }, growingLog(), {
    offset: () => {},
    state: () => {},
  })
  projection.start()
  for (let passed = 0; passed < ms; passed += 5) {
    projection.wake()
    await vi.advanceTimersByTimeAsync(5)
  }
}

it('asks a server that refuses with pauses, whatever comes in meanwhile', async () => {
  await during(1_000, refusing)
  // At once, after 0.2 s, and after 0.4 s more.
  expect(seen.openings).toBe(3)
})

it('gathers what comes in while a store is kept up, and leaves nothing out', async () => {
  await during(1_100, taking)
  const batches = seen.batches ?? []
  expect(batches.length).toBeGreaterThan(2)
  expect(batches.length).toBeLessThanOrEqual(7)
  for (const [index, batch] of batches.entries()) expect(batch.from).toBe(batches[index - 1]?.to ?? 0)
})

it('compares a store that is behind the checkpoint once it has come that far', async () => {
  const folder = temporaryFolder()
  const files = lineageFiles(folder)
  const log = LineageLog.open(files.log, 1e9)
  const graph = new GraphDatabase(files.graph, log)
  const record = (from: number, to: number): void => {
    const tasks = Array.from({ length: to - from }, (_, n) => taskEvent(`t${from + n}`, { base: [baseRead('S1', 't', [0])] }))
    const events = from === 0 ? [snapshotEvent('S1', 't', 2), ...tasks.slice(1)] : tasks
    log.append(
      events.map(({ id }) => id),
      events.map((event) => JSON.stringify(event)),
      1,
    )
    graph.advance(100)
  }
  record(0, 4)
  const follower = new LogFollower(folder)
  seen.store = SqliteLineageStore.open(':memory:')
  await seen.store.clear(log.id())
  await seen.store.apply(follower.batch(0, 1) as LineageBatch, new AbortController().signal)
  record(4, 8)
  for (const _ of checkpointAndTruncate(log, graph, files.graph, 3, 100)) continue
  expect(await seen.store.offset()).toBe(4)
  expect(() => follower.digestAt(4)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
  projection = new StoreProjection({ name: 'other', module: handing, options: {} }, follower, {
    offset: () => {},
    state: () => {},
  })
  const verified = projection.verify()
  await projection.runOnce()
  expect(await verified).toMatchObject({ identical: true, events: 8 })
  graph.close()
  log.close()
})
