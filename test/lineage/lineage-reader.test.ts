import { describe, expect, it } from 'vitest'
import type { LineageAnswer } from '../../src/lineage/lineage-answer.js'
import { systemClock } from '../../src/model/clock.js'
import { answerEvent, baseRead, evictionEvent, noon, output, snapshotEvent, taskEvent, treeOfTasks } from './lineage-fixtures.js'
import { openTestReader, openTestRecorder } from './open-lineage.js'
import { dataset as datasetOf, logged, runEvent } from './openlineage/openlineage-fixtures.js'

async function lineageOf(events: Parameters<Awaited<ReturnType<typeof openTestRecorder>>['record']>[0]) {
  const recorder = await openTestRecorder({ clock: { ...systemClock, now: () => noon / 1000 + 86_400_000 } })
  await recorder.record(events)
  await recorder.projected()
  const reader = await openTestReader(recorder.folder)
  const trace = async (from: string, more: object = {}): Promise<LineageAnswer> =>
    JSON.parse(await reader.trace({ from, direction: 'upstream', depth: 10, limit: 1000, ...more }))
  return { recorder, reader, trace }
}

describe('a trace', () => {
  it('has the shape of the API', async () => {
    const { trace } = await lineageOf([snapshotEvent('S1', 't', 3), ...treeOfTasks('q-1', 'S1', 't', 3)])
    const answer = await trace('query:q-1')
    expect(answer.truncated).toBe(false)
    expect(answer.vertices).toContainEqual({
      id: 's-t-1',
      type: 'DataSegment',
      kind: 'base',
      dataset: 't',
      version: 'v1',
      rows: 101,
      bytes: 1007,
    })
    expect(answer.vertices).toContainEqual({ id: 'n2', type: 'ProcessingNode', kind: 'duckdb', roles: ['aggregator', 'leaf'] })
    expect(answer.edges).toContainEqual({
      from: 's-t-1',
      to: 'd-q-1-leaf-1',
      type: 'TRANSFORMED_INTO',
      transformation: { type: 'aggregate', detail: 'aggregate sum(a) T1' },
      firstAt: new Date(noon / 1000).toISOString(),
      lastAt: new Date(noon / 1000).toISOString(),
      count: 1,
      totals: { rows: 997, bytes: 1001, cpuMs: 10.007, transferMs: 0.503, queueMs: 0.211, peakMemoryBytes: 5000 },
      sourceNode: 'storage',
      destinationNode: 'n2',
    })
  })

  it('starts at a segment, a table, a query or a node', async () => {
    const { trace } = await lineageOf([snapshotEvent('S1', 't', 3), ...treeOfTasks('q-1', 'S1', 't', 3)])
    const down = await trace('segment:s-t-0', { direction: 'downstream' })
    expect(down.vertices.map((vertex) => vertex.id)).toContain('d-q-1-root')
    const table = await trace('table:T', { direction: 'downstream', depth: 1 })
    expect(table.vertices.filter((vertex) => vertex.id.startsWith('s-t-'))).toHaveLength(3)
    const node = await trace('node:n3', { depth: 1 })
    expect(node.edges.some((edge) => edge.to === 'n3' && edge.from === 's-t-2')).toBe(true)
    await expect(trace('segment:none')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(trace('query:none')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(trace('node:idle')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('once it has worked'),
    })
    await expect(trace('nonsense')).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(trace('table:t', { depth: 51 })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })

  it('takes a table as its latest snapshot', async () => {
    const { trace } = await lineageOf([snapshotEvent('S2', 't', 5, noon + 10), snapshotEvent('S1', 't', 3, noon)])
    expect((await trace('table:t')).vertices).toHaveLength(5)
  })

  it('takes a table as the snapshot that it came back to, in whatever order that was told', async () => {
    const events = [
      snapshotEvent('S1', 't', 3, noon),
      snapshotEvent('S2', 't', 5, noon + 1000),
      { ...snapshotEvent('S1', 't', 3, noon + 2000), id: 'again' },
    ]
    for (const order of [events, events.toReversed()]) {
      const { recorder, trace } = await lineageOf(order)
      const segments = async (more: object = {}): Promise<number> => (await trace('table:t', more)).vertices.length
      const expected = [3, 3, 5, 3]
      const found = async () => [
        await segments(),
        await segments({ asOf: noon / 1000 }),
        await segments({ asOf: noon / 1000 + 1 }),
        await segments({ asOf: noon / 1000 + 2 }),
      ]
      expect(await found()).toEqual(expected)
      await recorder.checkpoint(0)
      await recorder.rebuild()
      expect(await found()).toEqual(expected)
    }
  })

  it('still starts at the result of a query after its bytes and those of its partials are gone', async () => {
    const tree = treeOfTasks('q-1', 'S1', 't', 3)
    const gone = tree.flatMap((event) => ('output' in event && event.output ? [event.output.segment] : []))
    const { trace, reader } = await lineageOf([snapshotEvent('S1', 't', 3), ...tree, evictionEvent('e1', gone, noon + 9000)])
    const answer = await trace('query:q-1')
    expect(answer.vertices.filter((vertex) => vertex.id.startsWith('s-t-'))).toHaveLength(3)
    expect(answer.edges.some((edge) => edge.to === 'client' && edge.from.startsWith('d-folded-'))).toBe(true)
    expect((await trace('segment:d-q-1-root')).vertices).toHaveLength(answer.vertices.length)
    expect(JSON.parse((await reader.segment('d-q-1-root')) ?? '')).toMatchObject({ kind: 'derived', bytes: 0 })
    expect(await reader.segment('none')).toBeUndefined()
  })

  it('starts at what a query wrote', async () => {
    const write = taskEvent('w1', { kind: 'write', role: 'root', base: [baseRead('S1', 't', [0, 1])], queryId: 'q-w' })
    const segments = [{ id: 's-copy-0', rows: 5, bytes: 60 }]
    const written = { kind: 'written', id: 'w2', at: noon, queryId: 'q-w', table: 'copy', snapshot: 'C1', segments } as const
    const { trace } = await lineageOf([snapshotEvent('S1', 't', 2), write, written, snapshotEvent('C1', 'copy', 1)])
    const answer = await trace('query:q-w')
    expect(answer.vertices).toContainEqual(expect.objectContaining({ id: 's-copy-0', dataset: 'copy', kind: 'base' }))
    expect(answer.vertices.map((vertex) => vertex.id)).toEqual(expect.arrayContaining(['s-t-0', 's-t-1']))
    expect((await trace('table:copy')).edges.some((edge) => edge.from === 's-t-1' && edge.to === 's-copy-0')).toBe(true)
  })

  it('shows the graph as it was, and only existence before a checkpoint', async () => {
    const at = (hours: number): number => noon + hours * 3_600_000_000
    const task = (id: string, hours: number) =>
      taskEvent(id, { base: [baseRead('S1', 't', [0])], output: output('d-1'), at: at(hours) })
    const { trace, recorder } = await lineageOf([
      snapshotEvent('S1', 't', 1),
      task('t1', 0),
      task('t2', 1),
      evictionEvent('e1', ['d-1'], at(2)),
    ])
    const asOf = (hours: number): number => at(hours) / 1000
    const counts = (answer: LineageAnswer) => answer.edges.map((edge) => [edge.to.slice(0, 8), edge.count])
    const up = { direction: 'downstream' }
    expect(counts(await trace('segment:s-t-0', { ...up, asOf: asOf(0.5) }))).toEqual([
      ['n1', 1],
      ['d-1', 1],
    ])
    expect(counts(await trace('segment:s-t-0', { ...up, asOf: asOf(1.5) }))).toEqual([
      ['n1', 2],
      ['d-1', 2],
    ])
    expect(counts(await trace('segment:s-t-0', { ...up, asOf: asOf(3) }))).toEqual([
      ['n1', 2],
      ['d-folded', 2],
    ])
    await recorder.checkpoint()
    await recorder.record([task('t3', 5)])
    await recorder.projected()
    expect(await trace('segment:s-t-0', { ...up, asOf: asOf(0.5) })).toMatchObject({
      existenceOnly: true,
      edges: [{ count: 0 }, { count: 0 }],
    })
    // Not even that of what was not there yet.
    for (const from of ['segment:s-t-0', 'table:t', 'segment:d-1', 'node:n1']) {
      expect(await trace(from, up)).toBeDefined()
      await expect(trace(from, { ...up, asOf: asOf(-1) })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
    expect((await trace('table:t', { ...up, asOf: asOf(0.5) })).edges).toHaveLength(2)
    const later = await trace('segment:s-t-0', { ...up, asOf: asOf(4) })
    expect(later.existenceOnly).toBeUndefined()
    expect(counts(later)).toEqual([
      ['n1', 2],
      ['d-folded', 2],
    ])
  })

  it('is told also when another program dates an event far ahead', async () => {
    const { recorder, trace } = await lineageOf([snapshotEvent('S1', 't', 1)])
    const run = { inputs: [datasetOf('d1')], outputs: [datasetOf('d2')] }
    await recorder.record([taskEvent('t1', { base: [baseRead('S1', 't', [0])] })])
    await recorder.record(logged(runEvent({ ...run, time: '9999-12-31T23:59:59Z' })))
    await recorder.projected()
    await recorder.checkpoint()
    const now = await trace('segment:s-t-0', { asOf: noon / 1000 + 1 })
    expect([now.existenceOnly, now.edges[0]?.count]).toEqual([undefined, 1])
  })
})

describe('raw transfers', () => {
  it('come in pages, by every filter, in the order of arrival', async () => {
    const { reader } = await lineageOf([
      snapshotEvent('S1', 't', 3),
      ...treeOfTasks('q-1', 'S1', 't', 3),
      ...treeOfTasks('q-2', 'S1', 't', 3, 'T1', noon + 1_000_000),
      answerEvent('q-3', 'd-q-1-root', noon + 5),
    ])
    const all = await page({ limit: 1000 })
    // Per query: three base reads, three partials, two merges, one answer.
    expect(all.transfers).toHaveLength(19)
    expect(all.next).toBeUndefined()
    expect(all.transfers[0]).toEqual({
      segment: 's-t-0',
      queryId: 'q-1',
      source: 'storage',
      destination: 'n1',
      via: 'file',
      bytes: 1001,
      rows: 997,
      transferMs: 0.503,
      at: new Date(noon / 1000).toISOString(),
    })
    const pages = []
    for (let cursor: string | undefined, turn = 0; turn < 20; turn++) {
      const next = await page({ limit: 4, ...(cursor === undefined ? {} : { cursor }) })
      pages.push(...next.transfers)
      cursor = next.next
      if (cursor === undefined) break
    }
    expect(pages).toEqual(all.transfers)
    expect((await page({ limit: 100, query: 'q-2' })).transfers).toHaveLength(9)
    expect((await page({ limit: 100, segment: 'd-q-1-root' })).transfers).toHaveLength(2)
    expect((await page({ limit: 100, source: 'storage', destination: 'n2' })).transfers).toHaveLength(2)
    expect((await page({ limit: 100, since: (noon + 1_000_000) / 1000 })).transfers).toHaveLength(9)
    await expect(page({ limit: 4, cursor: 'x' })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })

    async function page(request: Parameters<typeof reader.transfers>[0]) {
      return JSON.parse(await reader.transfers(request)) as { transfers: object[]; next?: string }
    }
  })
})

describe('column lineage', () => {
  it('goes through written tables in both directions', async () => {
    const columns = (id: string, table: string, inputs: readonly [string, string, string][]) =>
      ({
        kind: 'columns',
        id,
        at: noon,
        queryId: id,
        table,
        columns: inputs.map(([column, dataset, input]) => ({
          column,
          inputs: [{ dataset, column: input, kind: 'DIRECT' as const, subtype: 'IDENTITY' as const }],
        })),
      }) as const
    const { reader } = await lineageOf([
      columns('q-1', 'daily', [
        ['day', 'orders', 'o_date'],
        ['total', 'orders', 'o_price'],
      ]),
      columns('q-2', 'weekly', [['total', 'daily', 'total']]),
    ])
    const up = JSON.parse(await reader.columns({ table: 'Weekly', column: 'TOTAL', direction: 'upstream' }))
    expect(up.edges).toMatchObject([
      {
        table: 'weekly',
        column: 'total',
        fromTable: 'daily',
        fromColumn: 'total',
        kind: 'DIRECT',
        subtype: 'IDENTITY',
        count: 1,
      },
      { table: 'daily', column: 'total', fromTable: 'orders', fromColumn: 'o_price' },
    ])
    const down = JSON.parse(await reader.columns({ table: 'orders', direction: 'downstream' }))
    expect(down.edges).toHaveLength(3)
    expect(down.columns).toHaveLength(5)
    await expect(reader.columns({ table: 'none', direction: 'both' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('hot segments and work', () => {
  it('come as objects', async () => {
    const { reader } = await lineageOf([snapshotEvent('S1', 't', 3), ...treeOfTasks('q-1', 'S1', 't', 3)])
    const hot = await reader.hottest(100, noon / 1000)
    expect(hot.find((entry) => entry.id === 's-t-0')).toEqual({ id: 's-t-0', dataset: 't', degree: 1, hotness: 1 })
    const work = await reader.work(['s-t-0', 's-t-1'], noon / 1000)
    expect(work.map((entry) => [entry.segment, entry.node])).toEqual([
      ['s-t-0', 'n1'],
      ['s-t-1', 'n2'],
    ])
  })

  it('are asked in vain after the reader is closed', async () => {
    const { reader } = await lineageOf([snapshotEvent('S1', 't', 3)])
    await reader.close()
    await expect(reader.hottest(1, 0)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})
