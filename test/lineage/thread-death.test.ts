import { mkdirSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { DatabaseSync } from '@photostructure/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openLineageReader } from '../../src/lineage/lineage-reader.js'
import { LineageLog, lineageFiles } from '../../src/lineage/log/lineage-log.js'
import { defaultLimits } from '../../src/lineage/log/retention.js'
import { GraphProjection } from '../../src/lineage/projection/graph-projection.js'
import { baseRead, noon, queryStatus, snapshotEvent, taskEvent, temporaryFolder } from './lineage-fixtures.js'
import { openTestRecorder } from './open-lineage.js'

/** The threads that are started from here on, in their order. */
function startedThreads(): Worker[] {
  const threads: Worker[] = []
  const remember = (worker: Worker): void => void threads.push(worker)
  process.on('worker', remember)
  onTestFinished(() => void process.off('worker', remember))
  return threads
}

/** Ends a thread by what it cannot stand, after what was posted to it before. From outside it could be inside a statement. */
function crash(thread: Worker | undefined): Promise<unknown> {
  const ended = new Promise((resolve) => thread?.once('exit', resolve))
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  thread?.postMessage(null)
  return ended
}

const task = (id: string) => taskEvent(id, { base: [baseRead('S1', 't', [1])], at: noon, node: 'n1' })

describe('a recorder whose thread dies', () => {
  it('rejects what waits, opens the log again and has all that it had acknowledged', async () => {
    const threads = startedThreads()
    const failures: Error[] = []
    const recorder = await openTestRecorder({ onFailure: (error) => failures.push(error) })
    await recorder.record([snapshotEvent('S1', 't', 5), task('before')])
    await recorder.put('key', '"kept"')

    const ended = crash(threads[0])
    const [record, put] = await Promise.allSettled([recorder.record([task('meanwhile')]), recorder.put('other', '1')])
    expect([record.status, put.status]).toEqual(['rejected', 'rejected'])
    await ended
    await expect(recorder.record([task('too early')])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(failures).toHaveLength(1)

    await expect.poll(() => recorder.record([task('meanwhile')]).then(() => 'taken', String), { timeout: 10_000 }).toBe('taken')
    expect(await recorder.get('key')).toBe('"kept"')
    await recorder.projected()
    expect(await recorder.verify()).toMatchObject({ identical: true, events: 3 })
    expect(failures).toHaveLength(1)
    expect(threads).toHaveLength(2)
    await recorder.close()
  })

  it('keeps running what runs: only a new start of the server fails it', async () => {
    const threads = startedThreads()
    const recorder = await openTestRecorder()
    const reader = await openLineageReader({ folder: recorder.folder })
    const states = async (): Promise<readonly string[]> => {
      const { queries } = JSON.parse(await reader.queries({ limit: 10 })) as { queries: { queryId: string; state: string }[] }
      return queries.map(({ queryId, state }) => `${queryId} ${state}`)
    }
    recorder.saveQuery(queryStatus('q-long', 'running', 1))
    recorder.saveQuery(queryStatus('q-short', 'running', 2))
    await recorder.put('key', '1')
    await crash(threads[0])
    recorder.saveQuery(queryStatus('q-short', 'finished', 2))
    await expect.poll(() => recorder.put('key', '2').then(() => 'taken', String), { timeout: 10_000 }).toBe('taken')
    expect(await states()).toEqual(['q-short finished', 'q-long running'])
    await recorder.close()
    const next = await openTestRecorder({ folder: recorder.folder })
    expect(await states()).toEqual(['q-short finished', 'q-long failed'])
    await next.close()
    await reader.close()
  })

  it('tells how a query ended meanwhile also where nothing else is written', async () => {
    const threads = startedThreads()
    const recorder = await openTestRecorder()
    const reader = await openLineageReader({ folder: recorder.folder })
    const states = async (): Promise<readonly string[]> => {
      const { queries } = JSON.parse(await reader.queries({ limit: 10 })) as { queries: { state: string }[] }
      return queries.map(({ state }) => state)
    }
    recorder.saveQuery(queryStatus('q-short', 'running', 1))
    await recorder.put('key', '1')
    await crash(threads[0])
    recorder.saveQuery(queryStatus('q-short', 'finished', 1))
    await expect.poll(states, { timeout: 10_000 }).toEqual(['finished'])
    await recorder.close()
    await reader.close()
  })

  it('lets the graph come out of its statement first: the process would not survive it', async () => {
    const threads = startedThreads()
    const failures: Error[] = []
    const recorder = await openTestRecorder({ onFailure: (error) => failures.push(error) })
    await recorder.record([snapshotEvent('S1', 't', 5)])
    await recorder.projected()
    const other = new DatabaseSync(join(recorder.folder, 'graph.sqlite'))
    other.exec('BEGIN IMMEDIATE')
    await recorder.record([task('one')])
    // Nothing tells that the graph waits inside its statement; a stall stops this count and the graph alike.
    for (let tick = 0; tick < 20; tick++) await pause(50)
    const ended = crash(threads[0])
    await pause(300)
    expect(failures).toEqual([])
    other.exec('COMMIT')
    other.close()
    await ended
    expect(failures).toHaveLength(1)
    await expect.poll(() => recorder.record([task('two')]).then(() => 'taken', String), { timeout: 10_000 }).toBe('taken')
    await recorder.projected()
    expect(await recorder.verify()).toMatchObject({ identical: true, events: 3 })
  })

  it('starts no thread any more once it is closed', async () => {
    const threads = startedThreads()
    const recorder = await openTestRecorder()
    await crash(threads[0])
    await recorder.close()
    await pause(1_500)
    expect(threads).toHaveLength(1)
  })

  it('tries again for as long as the graph cannot be opened', async () => {
    const threads = startedThreads()
    const recorder = await openTestRecorder()
    await recorder.record([snapshotEvent('S1', 't', 5)])
    await recorder.projected()
    const graph = join(recorder.folder, 'graph.sqlite')
    const ended = crash(threads[0])
    await ended
    renameSync(graph, `${graph}.aside`)
    mkdirSync(graph)
    await expect.poll(() => threads.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(3)
    await expect(recorder.record([task('too early')])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    rmdirSync(graph)
    renameSync(`${graph}.aside`, graph)
    await expect.poll(() => recorder.record([task('again')]).then(() => 'taken', String), { timeout: 10_000 }).toBe('taken')
    await recorder.projected()
    expect(await recorder.verify()).toMatchObject({ identical: true, events: 2 })
  })

  it('closes also while the log is being opened again', async () => {
    const threads = startedThreads()
    const recorder = await openTestRecorder()
    await crash(threads[0])
    await expect.poll(() => threads.length, { interval: 1 }).toBe(2)
    await recorder.close()
    expect(threads.map((thread) => thread.threadId)).toEqual([-1, -1])
  })
})

it('is open when all its threads are', async () => {
  const folder = temporaryFolder()
  const { log } = lineageFiles(folder)
  mkdirSync(folder, { recursive: true })
  LineageLog.open(log, defaultLimits.logBytesMax).close()
  const told: string[] = []
  const graph = new GraphProjection(
    { folder, limits: defaultLimits, now: noon },
    ({ type }) => told.push(type),
    () => {},
  )
  // Who waits for the graph takes its first word for it, whatever else it says.
  expect(told[0]).toBe('opened')
  graph.receive({ type: 'call', request: 1, name: 'close', arguments: [] })
})

describe('a reader whose thread dies', () => {
  it('rejects its questions until another one is there', async () => {
    const recorder = await openTestRecorder({ folder: temporaryFolder() })
    await recorder.record([snapshotEvent('S1', 't', 5), task('one')])
    await recorder.projected()
    const threads = startedThreads()
    const failures: Error[] = []
    const reader = await openLineageReader({ folder: recorder.folder, onFailure: (error) => failures.push(error) })
    const ended = crash(threads[0])
    await expect(reader.hottest(5, noon / 1000)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await ended
    expect(failures).toHaveLength(1)
    await expect.poll(() => reader.hottest(5, noon / 1000).then((hot) => hot.length, String), { timeout: 10_000 }).toBe(1)
    expect(threads).toHaveLength(2)
    await reader.close()
    await expect(reader.hottest(5, noon / 1000)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})
