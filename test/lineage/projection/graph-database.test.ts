import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { expect, it, onTestFinished, vi } from 'vitest'
import { Statements } from '../../../src/lineage/database.js'
import { LineageLog } from '../../../src/lineage/log/lineage-log.js'
import { logBody } from '../../../src/lineage/log/log-body.js'
import { type Chore, checkpointAndTruncate, verifyGraph } from '../../../src/lineage/projection/chores.js'
import { GraphDatabase } from '../../../src/lineage/projection/graph-database.js'
import type { LineageEvent } from '../../../src/model/lineage-event.js'
import {
  answerEvent,
  baseRead,
  brokenEvent,
  derivedRead,
  evictionEvent,
  noon,
  output,
  snapshotEvent,
  taskEvent,
  temporaryFolder,
} from '../lineage-fixtures.js'
import { dataset, logged, runEvent, uuid } from '../openlineage/openlineage-fixtures.js'

/** A log and its graph in files, with what a recorder does to them. */
function openBoth(arrived = 0) {
  const folder = temporaryFolder()
  const path = join(folder, 'graph.sqlite')
  const log = LineageLog.open(join(folder, 'log.sqlite'), 1 << 26)
  const graph = new GraphDatabase(path, log)
  onTestFinished(() => {
    graph.close()
    log.close()
  })
  return {
    graph,
    log,
    record: (...events: readonly LineageEvent[]): void => {
      log.append(
        events.map(({ id }) => id),
        events.map(logBody),
        arrived,
      )
      graph.advance(events.length)
    },
    truncate: (meanwhile: () => void = () => {}) => {
      const chore = checkpointAndTruncate(log, graph, path, log.next(), 100)
      while (log.fact('checkpoint') === undefined && log.sql.first('SELECT 1 FROM checkpoint') === undefined) chore.next()
      meanwhile()
      return done(chore)
    },
    /** Truncates up to an offset; something happens after the index has forgotten what is to leave, before the checkpoint is taken. */
    truncateTo: (upTo: number, afterForgetting: () => void = () => {}) => {
      const chore = checkpointAndTruncate(log, graph, path, upTo, 100)
      for (const _ of ['limits', 'bequeath', 'forget']) chore.next()
      afterForgetting()
      return done(chore)
    },
    verify: () => done(verifyGraph(log, path)),
    /** How often each edge was counted. */
    edges: () =>
      graph.database
        .prepare('SELECT count FROM edges')
        .all()
        .map((row) => (row as { count: number }).count),
    derived: () =>
      graph.database
        .prepare("SELECT name FROM vertices WHERE kind = 'derived' ORDER BY name")
        .all()
        .map((row) => (row as { name: string }).name),
    waiting: () => graph.database.prepare('SELECT key FROM waiting').all(),
  }
}

function done<T>(chore: Chore<T>): T {
  for (;;) {
    const step = chore.next()
    if (step.done === true) return step.value
  }
}

it('is at its old offset again after a transaction that failed, and at none after it was cleared', () => {
  const log = LineageLog.open(join(temporaryFolder(), 'log.sqlite'), 1 << 20)
  const graph = new GraphDatabase(':memory:', log)
  graph.change(() => graph.graph.setOffset(3))
  const fail = (): void => {
    graph.graph.setOffset(7)
    throw new Error('no room')
  }
  expect(() => graph.change(fail)).toThrow('no room')
  expect(graph.offset()).toBe(3)
  graph.change(() => graph.clear())
  expect(graph.offset()).toBe(0)
  graph.close()
  log.close()
})

it('sets nothing aside for want of room, and tries an event that was set aside again when it is made anew', () => {
  const log = LineageLog.open(join(temporaryFolder(), 'log.sqlite'), 1 << 20)
  const events = [snapshotEvent('S1', 't', 500), brokenEvent('t1')]
  const sound = taskEvent('t1', { base: [baseRead('S1', 't', [1])] })
  log.append(
    events.map(({ id }) => id),
    events.map((event) => JSON.stringify(event)),
    0,
  )
  const graph = new GraphDatabase(':memory:', log)
  const { page_count } = graph.database.prepare('PRAGMA page_count').get() as { page_count: number }
  graph.database.exec(`PRAGMA max_page_count = ${page_count + 1}`)
  expect(() => graph.advance(2)).toThrow('full')
  expect([graph.offset(), graph.setAside()]).toEqual([0, 0])
  graph.database.exec('PRAGMA max_page_count = 10000')
  expect(graph.advance(2)).toBe(2)
  expect([graph.offset(), graph.setAside()]).toEqual([2, 1])
  expect(log.read(1, 1)).toMatchObject([{ marks: { setAside: true } }])
  log.sql.run('UPDATE log SET body = ? WHERE offset = 1', JSON.stringify(sound))
  graph.change(() => graph.clear())
  graph.advance(2)
  expect(graph.setAside()).toBe(0)
  expect(log.read(1, 1)).toMatchObject([{ marks: {} }])
  graph.close()
  log.close()
})

it('folds a result whose parts were folded and have left the log', () => {
  const { graph, record, truncate, verify, waiting } = openBoth()
  record(
    snapshotEvent('S1', 't', 2),
    snapshotEvent('S2', 'u', 2),
    taskEvent('leaf', { base: [baseRead('S1', 't', [1])], output: output('d-part') }),
    taskEvent('root', {
      role: 'root',
      base: [baseRead('S2', 'u', [1])],
      derived: [derivedRead('d-part', 'n1')],
      output: output('d-root'),
    }),
    evictionEvent('e1', ['d-part'], noon + 1),
  )
  truncate()
  expect(graph.existing()).toEqual(['d-root'])
  record(evictionEvent('e2', ['d-root'], noon + 2))
  expect(graph.existing()).toEqual([])
  expect(waiting()).toEqual([])
  const folded = graph.database.prepare("SELECT snapshots FROM derived WHERE id = 'd-root'").all()
  expect(folded).toEqual([{ snapshots: '["S1","S2"]' }])
  expect(verify()).toMatchObject({ identical: true })
  truncate()
  expect(verify()).toMatchObject({ identical: true })
})

it('gives the same graph from a checkpoint when a segment was evicted just before that was taken', () => {
  const { record, truncateTo, verify } = openBoth()
  record(snapshotEvent('S1', 't', 2), taskEvent('leaf', { base: [baseRead('S1', 't', [1])], output: output('d-part') }))
  truncateTo(2, () => record(evictionEvent('e1', ['d-part'], noon + 10)))
  record(taskEvent('late', { derived: [derivedRead('d-part', 'n1')], at: noon + 5, output: output('d-late') }))
  expect(verify()).toMatchObject({ identical: true })
})

it('knows what a segment folded into for as long as its eviction or an answer with it is in the log', () => {
  const { record, truncateTo, derived, verify } = openBoth()
  record(
    snapshotEvent('S1', 't', 2),
    taskEvent('leaf', { base: [baseRead('S1', 't', [1])], output: output('d-part') }),
    evictionEvent('e1', ['d-part'], noon + 10),
  )
  const [folded, ...others] = derived()
  expect([folded?.startsWith('d-folded-'), others]).toEqual([true, []])
  for (const n of [1, 2, 3]) {
    truncateTo(n + 1)
    record(answerEvent(`q-${n}`, 'd-part', noon + 10 + n))
  }
  record(taskEvent('late', { derived: [derivedRead('d-part', 'n1')], at: noon + 5 }))
  expect(derived()).toEqual([folded])
  expect(verify()).toMatchObject({ identical: true })
})

it('goes through no more than what it forgets for each part of a truncation', () => {
  const { graph } = openBoth()
  const run = vi.spyOn(Statements.prototype, 'run')
  graph.change(() => {
    graph.index.forget(7)
    graph.index.truncate(7)
  })
  const calls = run.mock.calls
  run.mockRestore()
  const plans = calls.flatMap(([sql, ...values]) => graph.database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values))
  const plan = plans.map((row) => (row as { detail: string }).detail).join('\n')
  expect(plan).toContain('SEARCH derived USING INDEX derived_by_seen')
  expect(plan).toContain('SEARCH transfers USING INTEGER PRIMARY KEY')
  expect(plan).not.toMatch(/SCAN (derived|results)/)
})

it('folds what was made of a segment that had folded, and was told of after that one was forgotten', () => {
  const { graph, record, truncateTo, verify } = openBoth()
  record(
    snapshotEvent('S1', 't', 2),
    taskEvent('leaf', { base: [baseRead('S1', 't', [1])], output: output('d-part') }),
    evictionEvent('e1', ['d-part'], noon + 10),
    taskEvent('late', { derived: [derivedRead('d-part', 'n1')], at: noon + 5, output: output('d-late') }),
  )
  truncateTo(4)
  record(evictionEvent('e2', ['d-late'], noon + 20))
  expect(graph.existing()).toEqual([])
  expect(verify()).toMatchObject({ identical: true })
})

it('forgets an eviction that waited for an origin until its event had left the log', () => {
  const { record, truncate, verify, waiting } = openBoth()
  record(evictionEvent('e1', ['d-unknown']))
  truncate()
  expect(waiting()).toHaveLength(1)
  truncate()
  expect(waiting()).toEqual([])
  record(
    snapshotEvent('S1', 't', 2),
    taskEvent('late', { base: [baseRead('S1', 't', [1])], at: noon - 1, output: output('d-unknown') }),
  )
  expect(verify()).toMatchObject({ identical: true })
})

it('gives the same graph from a checkpoint when what belongs together came before and while it was made', () => {
  const { record, truncate, verify, edges } = openBoth()
  const write = taskEvent('w1', { kind: 'write', role: 'root', base: [baseRead('S1', 't', [0])], queryId: 'q-w' })
  const segments = [{ id: 's-copy-0', rows: 5, bytes: 60 }]
  const later = { run: uuid(1), job: 'j', inputs: [dataset('d1')], outputs: [dataset('d2')] }
  record(
    snapshotEvent('S1', 't', 2),
    write,
    taskEvent('early', { base: [baseRead('S2', 'u', [1])] }),
    ...logged(runEvent({ ...later, time: '2026-01-31T10:00:00Z' })),
  )
  truncate(() =>
    record(
      { kind: 'written', id: 'written:q-w', at: noon, queryId: 'q-w', table: 'copy', snapshot: 'C1', segments },
      snapshotEvent('S2', 'u', 2),
      ...logged(runEvent({ ...later, type: 'OTHER', time: '2026-01-31T11:00:00Z' })),
    ),
  )
  expect(verify()).toMatchObject({ identical: true, edges: edges().length })
})

it('counts a run once that was silent until its events had left the log', () => {
  const { record, truncate, verify, edges } = openBoth()
  const run = { run: uuid(1), job: 'j', inputs: [dataset('d1')], outputs: [dataset('d2')] }
  record(...logged(runEvent({ ...run, type: 'START', time: '2026-01-31T10:00:00Z' })))
  truncate()
  record(...logged(runEvent({ ...run, time: '2026-03-31T10:00:00Z' })))
  expect(edges()).toEqual([1, 1, 1])
  truncate()
  expect(verify()).toMatchObject({ identical: true })
})

it('is made again from a checkpoint that an event which was set aside came before', () => {
  const { record, truncateTo, verify } = openBoth()
  const task = taskEvent('t1', { base: [baseRead('S1', 't', [1])], derived: [derivedRead('d-part', 'n2')] })
  const broken = { ...task, transfers: task.transfers.map((transfer) => ({ ...transfer, bytes: null })) }
  record(snapshotEvent('S1', 't', 2), broken as unknown as LineageEvent)
  truncateTo(1)
  expect(verify()).toMatchObject({ identical: true, setAside: 1 })
})

it('writes a checkpoint in small parts, however many segments the snapshots name', () => {
  const { graph, log, truncateTo, verify } = openBoth()
  const segments = JSON.stringify(Array.from({ length: 5_000 }, (_, n) => `s-${String(n).padStart(20, '0')}`))
  graph.change(() => {
    const insert = graph.database.prepare('INSERT INTO snapshots VALUES (?, ?, ?, ?)')
    for (let n = 0; n < 100; n++) insert.run(`S${n}`, 't', noon + n, segments)
  })
  truncateTo(0)
  const parts = log.sql.all<[Uint8Array]>('SELECT body FROM checkpoint').map(([body]) => inflateRawSync(body).length)
  expect(Math.max(...parts)).toBeLessThan(4 << 20)
  expect(verify()).toMatchObject({ identical: true })
})

it('forgets snapshots that neither the log nor a day of the past needs', () => {
  const day = 86_400_000_000
  const { graph, record, truncate, verify } = openBoth((noon + 4 * day) / 1000)
  const at = (snapshot: string, time: number) => snapshotEvent(snapshot, 't', 2, noon + time)
  record(
    at('returned', 0),
    at('S1', 1),
    at('S2', 2),
    at('S3', 1 * day),
    { ...at('returned', 1 * day + 1), id: 'again' },
    at('S4', 3 * day + 1),
    at('S5', 3 * day + 2),
    at('S6', 3 * day + 3),
  )
  const known = () =>
    graph.database
      .prepare('SELECT id FROM snapshots ORDER BY at')
      .all()
      .map((row) => (row as { id: string }).id)
  truncate()
  expect(known()).toEqual(['returned', 'S2', 'S3', 'S4', 'S5', 'S6'])
  expect(graph.index.snapshots.has('S1')).toBe(false)
  record(taskEvent('late', { base: [baseRead('S4', 't', [1])] }))
  expect(verify()).toMatchObject({ identical: true })
})

it.each([[2], [5]])('refuses to go on over %i events that have left the log', (gone) => {
  const { graph, log, record } = openBoth()
  record(snapshotEvent('S1', 't', 2), ...[1, 2, 3, 4].map((n) => taskEvent(`t${n}`, { base: [baseRead('S1', 't', [1])] })))
  graph.change(() => graph.clear())
  log.sql.run('DELETE FROM log WHERE offset < ?', gone)
  expect(() => graph.advance(5)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
  expect(graph.offset()).toBe(0)
})
