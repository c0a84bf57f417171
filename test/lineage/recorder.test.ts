import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { DatabaseSync } from '@photostructure/sqlite'
import { describe, expect, it } from 'vitest'
import type { SetAsideEvent } from '../../src/lineage/projection/graph-database.js'
import type { LineageEvent } from '../../src/model/lineage-event.js'
import {
  baseRead,
  brokenEvent,
  evictionEvent,
  noon,
  output,
  queryStatus,
  snapshotEvent,
  taskEvent,
  temporaryFolder,
  treeOfTasks,
} from './lineage-fixtures.js'
import { openTestReader, openTestRecorder } from './open-lineage.js'

function someTasks(count: number, prefix = 't'): LineageEvent[] {
  return [...Array(count).keys()].map((index) =>
    taskEvent(`${prefix}${index}`, { base: [baseRead('S1', 't', [index % 5])], at: noon + index, node: `n${(index % 3) + 1}` }),
  )
}

describe('the recorder', () => {
  it('records an event once, however often it comes', async () => {
    const recorder = await openTestRecorder()
    const events = [snapshotEvent('S1', 't', 5), ...someTasks(10)]
    await Promise.all([recorder.record(events), recorder.record(events), recorder.record(events.slice(3))])
    await recorder.projected()
    const report = await recorder.verify()
    expect(report).toMatchObject({ identical: true, events: 11 })
    expect(recorder.lag()).toEqual({ sqlite: 0 })
    expect(recorder.stats()).toMatchObject({ events: 11, duplicates: 19, logEvents: 11, logFrom: 0 })
  })

  it('sets aside an event that no graph can take, and goes on without it', async () => {
    const setAside: SetAsideEvent[] = []
    const module = new URL('../../dist/lineage/sqlite/sqlite-lineage-store.js', import.meta.url).href
    const other = { name: 'other', module, options: { path: join(temporaryFolder(), 'other.sqlite') } }
    const recorder = await openTestRecorder({ stores: [other], onSetAside: (event) => setAside.push(event) })
    const broken = brokenEvent('broken')
    await recorder.record([snapshotEvent('S1', 't', 5), ...someTasks(10), broken, ...someTasks(10, 'u')])
    await recorder.projected()
    expect(setAside).toEqual([{ id: broken.id, reason: expect.stringContaining('cpuMicros') }])
    expect(recorder.stats()).toMatchObject({ events: 22, setAside: 1 })
    await expect.poll(() => recorder.lag()).toEqual({ sqlite: 0, other: 0 })
    const sound = await openTestRecorder()
    await sound.record([snapshotEvent('S1', 't', 5), ...someTasks(10), ...someTasks(10, 'u')])
    const { hash } = await sound.verify()
    for (const store of ['sqlite', 'other']) {
      expect(await recorder.verify(store)).toMatchObject({ identical: true, events: 22, setAside: 1, hash })
      expect(await recorder.rebuild(store)).toMatchObject({ identical: true, events: 22, setAside: 1, hash })
    }
  })

  it('goes on after a restart with the graph, the documents and the event ids of before', async () => {
    const first = await openTestRecorder()
    await first.record([snapshotEvent('S1', 't', 5), ...someTasks(10)])
    await first.put('models/need', '{"a":1}')
    const before = await first.verify()
    await first.close()
    const second = await openTestRecorder({ folder: first.folder })
    await second.record(someTasks(10))
    await second.projected()
    expect(await second.verify()).toEqual(before)
    expect(await second.get('models/need')).toBe('{"a":1}')
  })

  it('keeps documents by key', async () => {
    const recorder = await openTestRecorder()
    void recorder.put('a/1', '1')
    expect(await recorder.get('a/1')).toBe('1')
    await recorder.put('a/2', '[2]')
    await recorder.put('b', '3')
    await recorder.put('a/1', '"one"')
    expect(await recorder.list('a/')).toEqual([
      ['a/1', '"one"'],
      ['a/2', '[2]'],
    ])
    await recorder.remove('a/1')
    expect(await recorder.get('a/1')).toBeUndefined()
  })

  it('rebuilds an identical graph from the log, and from a checkpoint with what came after it', async () => {
    const recorder = await openTestRecorder()
    await recorder.record([snapshotEvent('S1', 't', 5), ...treeOfTasks('q-1', 'S1', 't', 5)])
    await recorder.record([evictionEvent('e1', ['d-q-1-leaf-0', 'd-q-1-root'], noon + 900)])
    await recorder.projected()
    expect(await recorder.rebuild()).toMatchObject({ identical: true })
    await recorder.checkpoint()
    await recorder.record([...treeOfTasks('q-2', 'S1', 't', 5), evictionEvent('e2', ['d-q-1-leaf-1'], noon + 2000)])
    await recorder.projected()
    expect(await recorder.verify()).toMatchObject({ identical: true })
    expect(await recorder.rebuild()).toMatchObject({ identical: true, events: 21 })
  })

  it('truncates old events only after a checkpoint, and loses nothing of the graph', async () => {
    const recorder = await openTestRecorder({ limits: { eventsMax: 500 } })
    await recorder.record([snapshotEvent('S1', 't', 5)])
    for (let batch = 0; batch < 250; batch++) await recorder.record(someTasks(4, `b${batch}-`))
    await recorder.projected()
    const { truncated } = await recorder.checkpoint()
    const { logEvents, logFrom, events } = recorder.stats()
    expect(events).toBe(1001)
    expect(truncated + logFrom).toBeGreaterThan(0)
    expect(logEvents).toBeLessThanOrEqual(1001)
    await recorder.record(someTasks(3, 'last-'))
    await recorder.projected()
    expect(recorder.stats().logEvents).toBeLessThanOrEqual(503)
    expect(await recorder.verify()).toMatchObject({ identical: true })
    expect(await recorder.rebuild()).toMatchObject({ identical: true, events: 1004 })
    const reader = await openTestReader(recorder.folder)
    const graph = JSON.parse(await reader.trace({ from: 'table:t', direction: 'both', depth: 1, limit: 100 }))
    expect(graph.edges.reduce((sum: number, edge: { count: number }) => sum + edge.count, 0)).toBe(1003)
  })

  it('forgets the results of old queries with their history, and knows those of later ones', async () => {
    const recorder = await openTestRecorder({ limits: { queriesMax: 10 } })
    await recorder.record([snapshotEvent('S1', 't', 5)])
    for (let query = 0; query < 60; query++) await recorder.record(treeOfTasks(`q-${query}`, 'S1', 't', 3, 'T1', noon + query))
    await recorder.projected()
    await recorder.checkpoint(0)
    const reader = await openTestReader(recorder.folder)
    const trace = (query: string) => reader.trace({ from: `query:${query}`, direction: 'upstream', depth: 3, limit: 100 })
    await expect(trace('q-0')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(JSON.parse(await trace('q-59')).vertices.length).toBeGreaterThan(3)
    const graph = new DatabaseSync(join(recorder.folder, 'graph.sqlite'), { readOnly: true })
    expect(graph.prepare('SELECT count(DISTINCT query) AS queries FROM results').get()).toMatchObject({ queries: 10 })
    graph.close()
    expect(await recorder.rebuild()).toMatchObject({ identical: true })
    expect(JSON.parse(await trace('q-59')).vertices.length).toBeGreaterThan(3)
  })

  it('makes the graph anew when its file is lost, also from a checkpoint', async () => {
    const first = await openTestRecorder({ limits: { eventsMax: 20 } })
    await first.record([snapshotEvent('S1', 't', 5), ...someTasks(60)])
    await first.projected()
    await first.checkpoint()
    const before = await first.verify()
    await first.close()
    for (const suffix of ['', '-wal', '-shm']) writeFileSync(join(first.folder, `graph.sqlite${suffix}`), '')
    const second = await openTestRecorder({ folder: first.folder })
    await second.projected()
    expect((await second.verify()).hash).toBe(before.hash)
  })

  it('refuses with DISK_EXCEEDED when the disk is full, acknowledges nothing of it, and goes on when there is room', async () => {
    const recorder = await openTestRecorder({ limits: { logBytesMax: 1 << 20 } })
    const large = (id: string): LineageEvent => taskEvent(id, { output: output(`d-${id}`, { location: 'x'.repeat(100_000) }) })
    const outcomes = []
    for (let index = 0; index < 15; index++)
      outcomes.push(await recorder.record([large(`t${index}`)]).catch((error: unknown) => error))
    const failures = outcomes.filter((outcome) => outcome !== undefined)
    expect(failures.length).toBeGreaterThan(0)
    expect(failures[0]).toMatchObject({ code: 'DISK_EXCEEDED', message: expect.stringContaining('the lineage log') })
    await recorder.projected()
    await recorder.close()
    const again = await openTestRecorder({ folder: recorder.folder })
    expect((await again.verify()).events).toBe(outcomes.length - failures.length)
    await again.record([large('later')])
  })

  it('refuses more than may be on its way', async () => {
    const recorder = await openTestRecorder({ limits: { inFlightBytesMax: 100 } })
    await expect(recorder.record(someTasks(1))).rejects.toMatchObject({ code: 'QUEUE_FULL' })
  })

  it('does not open what a newer version wrote', async () => {
    const folder = temporaryFolder()
    const database = new DatabaseSync(join(folder, 'log.sqlite'))
    database.exec('PRAGMA user_version = 99')
    database.close()
    await expect(openTestRecorder({ folder })).rejects.toMatchObject({ code: 'STATE_TOO_NEW' })
  })

  it('evicts derived segments that did not survive a restart', async () => {
    const recorder = await openTestRecorder()
    await recorder.record([snapshotEvent('S1', 't', 5), ...treeOfTasks('q-1', 'S1', 't', 5)])
    await recorder.projected()
    expect(await recorder.reconcile(['d-q-1-root'])).toBe(7)
    await recorder.projected()
    expect(await recorder.reconcile(['d-q-1-root'])).toBe(0)
  })

  it('delays only the projection into a store that is down, and catches up when it is back', async () => {
    const folder = temporaryFolder()
    const module = pathToFileURL(join(folder, 'store.mjs')).href
    const sqlite = new URL('../../dist/lineage/sqlite/sqlite-lineage-store.js', import.meta.url).href
    writeFileSync(
      join(folder, 'store.mjs'),
      `import { existsSync } from 'node:fs'
       import { SqliteLineageStore } from '${sqlite}'
       export async function openLineageStore({ path, gate }) {
         if (!existsSync(gate)) throw new Error('the store is down')
         return SqliteLineageStore.open(path)
       }`,
    )
    const gate = join(folder, 'gate')
    const stores = [{ name: 'second', module, options: { path: join(folder, 'second.sqlite'), gate } }]
    const recorder = await openTestRecorder({ stores })
    await recorder.record([snapshotEvent('S1', 't', 5), ...treeOfTasks('q-1', 'S1', 't', 5)])
    await recorder.record([evictionEvent('e1', ['d-q-1-leaf-0'], noon + 900), ...treeOfTasks('q-2', 'S1', 't', 5)])
    await recorder.projected()
    expect(recorder.lag()).toEqual({ sqlite: 0, second: 20 })
    writeFileSync(gate, '')
    const sqliteReport = await recorder.verify()
    const secondReport = await recorder.rebuild('second')
    expect(secondReport.hash).toBe(sqliteReport.hash)
  })

  it('goes on recording when the thread of another graph dies, and says why that graph is behind', async () => {
    const failures: Error[] = []
    const folder = temporaryFolder()
    const module = pathToFileURL(join(folder, 'broken.mjs')).href
    writeFileSync(join(folder, 'broken.mjs'), `setTimeout(() => { throw new Error('broken') }, 100)\nexport {}`)
    const recorder = await openTestRecorder({
      stores: [{ name: 'broken', module, options: {} }],
      onFailure: (error) => failures.push(error),
    })
    await expect.poll(async () => (await recorder.stores())[0]?.failure).toMatch('broken')
    await recorder.record(someTasks(1))
    await recorder.projected()
    expect(recorder.lag()).toEqual({ sqlite: 0, broken: 1 })
    await expect(recorder.verify('broken')).rejects.toThrow()
    expect(failures).toEqual([])
  })

  it('touches no graph of another log until it is told to take it over', async () => {
    const folder = temporaryFolder()
    const module = new URL('../../dist/lineage/sqlite/sqlite-lineage-store.js', import.meta.url).href
    const stores = [{ name: 'shared', module, options: { path: join(folder, 'shared.sqlite') } }]
    const first = await openTestRecorder({ stores })
    await first.record(someTasks(3))
    await first.projected()
    await expect.poll(() => first.lag()['shared']).toBe(0)
    await first.close()
    const second = await openTestRecorder({ stores })
    await second.record(someTasks(9))
    await expect.poll(async () => (await second.stores())[0]?.failure).toMatch('another log')
    expect(second.lag()['shared']).toBe(9)
    expect(await second.rebuild('shared')).toMatchObject({ events: 9, identical: true })
    await expect.poll(() => second.lag()['shared']).toBe(0)
  })

  it('is not kept waiting by a graph that hangs', async () => {
    const folder = temporaryFolder()
    const module = pathToFileURL(join(folder, 'hanging.mjs')).href
    writeFileSync(join(folder, 'hanging.mjs'), `export const openLineageStore = () => new Promise(() => {})`)
    const recorder = await openTestRecorder({ stores: [{ name: 'hanging', module, options: {} }] })
    await recorder.record(someTasks(3))
    await recorder.projected()
    expect(recorder.lag()).toEqual({ sqlite: 0, hanging: 3 })
    await recorder.close()
  })
})

describe('the history', () => {
  it('survives a restart, and what ran then has failed', async () => {
    const first = await openTestRecorder()
    for (let index = 0; index < 5; index++)
      first.saveQuery(queryStatus(`q-${index}`, 'running', 1000 + index, { fingerprint: '00ff00ff00ff00ff' }))
    first.saveQuery(queryStatus('q-0', 'finished', 1000, { fingerprint: '00ff00ff00ff00ff', finishedAt: 2000 }))
    first.saveQuery(queryStatus('q-0', 'running', 1000))
    await first.close()
    const second = await openTestRecorder({ folder: first.folder })
    const reader = await openTestReader(second.folder)
    const failed = JSON.parse(await reader.queries({ state: 'failed', limit: 3 }))
    expect(failed.queries.map((query: { queryId: string }) => query.queryId)).toEqual(['q-4', 'q-3', 'q-2'])
    expect(failed.queries[0]).toMatchObject({ error: { code: 'UNAVAILABLE' }, submittedAt: '1970-01-01T00:00:01.004Z' })
    const rest = JSON.parse(await reader.queries({ state: 'failed', limit: 3, cursor: failed.next }))
    expect(rest).toEqual({ queries: [expect.objectContaining({ queryId: 'q-1' })] })
    const all = JSON.parse(await reader.queries({ template: '00ff00ff00ff00ff', limit: 10 }))
    expect(all.queries).toHaveLength(5)
    expect(await reader.query('q-0')).toMatchObject({ state: 'finished', submittedAt: 1000 })
    expect(await reader.query('q-9')).toBeUndefined()
  })

  it('forgets the oldest queries beyond its limit', async () => {
    const recorder = await openTestRecorder({ limits: { queriesMax: 10 } })
    for (let index = 0; index < 30; index++) recorder.saveQuery(queryStatus(`q-${index}`, 'finished', index))
    await recorder.close()
    const again = await openTestRecorder({ folder: recorder.folder, limits: { queriesMax: 10 } })
    await again.put('any', '1')
    await again.projected()
    const reader = await openTestReader(again.folder)
    const { queries } = JSON.parse(await reader.queries({ limit: 100 }))
    expect(queries.length).toBeLessThanOrEqual(10)
    expect(queries[0].queryId).toBe('q-29')
  })
})
