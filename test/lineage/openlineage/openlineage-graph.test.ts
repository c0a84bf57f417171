import * as fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Statements } from '../../../src/lineage/database.js'
import { LineageLog } from '../../../src/lineage/log/lineage-log.js'
import { logBody } from '../../../src/lineage/log/log-body.js'
import { CatalogueReader } from '../../../src/lineage/openlineage/catalogue-reader.js'
import type { CatalogueRequest } from '../../../src/lineage/openlineage/catalogue-request.js'
import { FlowGraph } from '../../../src/lineage/openlineage/flow-graph.js'
import { GraphDatabase } from '../../../src/lineage/projection/graph-database.js'
import { SqliteExport } from '../../../src/lineage/sqlite/sqlite-export.js'
import type { LineageEvent } from '../../../src/model/lineage-event.js'
import { dataset, facet, logged, runEvent, uuid } from './openlineage-fixtures.js'

/** Everything that a log of these events gives: the graph, and answers of the catalogue. */
function open(events: readonly LineageEvent[], batch = 1000) {
  const log = LineageLog.open(':memory:', 2 ** 30)
  log.append(
    events.map((event) => event.id),
    events.map(logBody),
    0,
  )
  const graph = new GraphDatabase(':memory:', log)
  while (graph.advance(batch) > 0) continue
  const reader = new CatalogueReader(graph.database, log.database)
  onTestFinished(() => {
    graph.close()
    log.close()
  })
  const found = [...new SqliteExport(graph.database).batches(100)]
  return {
    log,
    graph,
    digest: new SqliteExport(graph.database).digest(),
    edges: found.flatMap((part) => part.edges),
    vertices: found.flatMap((part) => part.vertices),
    text: (request: CatalogueRequest) => reader.answer(request),
    ask: (request: CatalogueRequest) => JSON.parse(reader.answer(request)),
  }
}

const all = { limit: 1000, offset: 0 }
const answers = (opened: ReturnType<typeof open>): unknown => [
  opened.digest,
  ...(['namespaces', 'datasets', 'jobs'] as const).map((what) => opened.ask({ what, ...all })),
  ...opened
    .ask({ what: 'jobs', ...all })
    .jobs.map((job: { name: string; namespace: string }) => [
      opened.ask({ what: 'runs', namespace: job.namespace, job: job.name, ...all }),
      sorted(opened.ask({ what: 'lineage', nodeId: `job:${job.namespace}:${job.name}`, depth: 20 }).graph),
    ]),
]
const sorted = (nodes: { id: string; inEdges: { origin: string }[]; outEdges: { destination: string }[] }[]): unknown =>
  nodes
    .map((node) => ({
      ...node,
      inEdges: node.inEdges.toSorted((a, b) => (a.origin < b.origin ? -1 : 1)),
      outEdges: node.outEdges.toSorted((a, b) => (a.destination < b.destination ? -1 : 1)),
    }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))

const statistics = (rowCount: number, size: number) => facet({ rowCount, size })

describe('events of other programs in the graph', () => {
  const start = runEvent({ type: 'START', time: '2026-01-31T23:59:00Z', inputs: [dataset('a')] })
  const end = runEvent({
    time: '2026-02-01T00:01:00Z',
    inputs: [dataset('a', { inputFacets: { inputStatistics: statistics(10, 100) } })],
    outputs: [dataset('b', { outputFacets: { outputStatistics: statistics(5, 50) } })],
  })

  it('makes a dataset a segment, a job a node and a run a task', () => {
    const { edges, vertices } = open(logged(start, end))
    const name = new Map(vertices.map((vertex) => [vertex.id, 'dataset' in vertex ? vertex.dataset : vertex.id]))
    expect(vertices.map((vertex) => [vertex.type, vertex.kind, name.get(vertex.id)])).toEqual([
      ['DataSegment', 'external', 'db:a'],
      ['DataSegment', 'external', 'db:b'],
      ['ProcessingNode', 'job', 'job:ns:load'],
    ])
    expect(
      edges.map((edge) => [edge.type, name.get(edge.from), name.get(edge.to), edge.count, edge.totals.rows]).toSorted(),
    ).toEqual([
      ['PROCESSED_BY', 'db:a', 'job:ns:load', 1, 10],
      ['PROCESSED_BY', 'db:b', 'job:ns:load', 1, 5],
      ['TRANSFORMED_INTO', 'db:a', 'db:b', 1, 10],
    ])
  })

  it('gives the same whatever the order, and counts nothing twice', () => {
    const versioned = (version: string) => dataset('c', { facets: { version: facet({ datasetVersion: version }) } })
    const events = logged(
      start,
      end,
      runEvent({ type: 'RUNNING', time: '2026-01-31T23:59:30.000000001Z', outputs: [dataset('d')] }),
      runEvent({ run: uuid(2), job: 'next', inputs: [dataset('b'), versioned('1')], outputs: [versioned('2')] }),
      runEvent({
        run: uuid(3),
        type: 'START',
        job: 'next',
        runFacets: { parent: facet({ run: { runId: uuid(1) }, job: { namespace: 'ns', name: 'load' } }) },
      }),
      runEvent({
        run: uuid(3),
        type: 'FAIL',
        time: '2026-01-31T10:00:01Z',
        job: 'next',
        jobFacets: { sql: facet({ query: 'SELECT 1' }) },
      }),
      runEvent({ run: uuid(2), job: 'next', time: '2026-03-01T10:00:00Z', jobFacets: { sql: facet({ _deleted: true }) } }),
      { ...runEvent(), run: undefined, eventType: undefined, inputs: [dataset('e')], outputs: [dataset('a')] },
      {
        ...runEvent(),
        run: undefined,
        job: undefined,
        inputs: undefined,
        outputs: undefined,
        eventType: undefined,
        dataset: dataset('a', { facets: { schema: facet({ fields: [{ name: 'x' }] }) } }),
      },
    )
    const expected = answers(open(events))
    fc.assert(
      fc.property(fc.shuffledSubarray(events, { minLength: events.length }), fc.integer({ min: 1, max: 5 }), (order, batch) => {
        // A redelivery that a proxy wrote anew is another text of the same event.
        const again = order
          .slice(0, 3)
          .map((event) => (event.kind === 'openlineage' ? `${event.text} ` : ''))
          .filter((text) => text !== '')
        expect(answers(open([...order, ...logged(...again.map((text) => text.replace('{', '{ ')))], batch))).toEqual(expected)
      }),
      { numRuns: 25, seed: 20260131 },
    )
  })

  it('follows explicit lineage instead of pairing everything', () => {
    const from = (name: string) => ({ namespace: 'db', name, type: 'DATASET' })
    const { edges, vertices } = open(
      logged(
        runEvent({
          inputs: [dataset('a'), dataset('b')],
          outputs: [
            dataset('x', { facets: { lineage: facet({ inputs: [from('a')] }) } }),
            dataset('y', { facets: { lineage: facet({ inputs: [from('b')] }) } }),
          ],
        }),
      ),
    )
    const name = new Map(vertices.map((vertex) => [vertex.id, 'dataset' in vertex ? vertex.dataset : vertex.id]))
    const made = edges
      .filter((edge) => edge.type === 'TRANSFORMED_INTO')
      .map((edge) => `${name.get(edge.from)} ${name.get(edge.to)}`)
    expect(made.toSorted()).toEqual(['db:a db:x', 'db:b db:y'])
  })

  it('is rebuilt from the log and is the same, answers too', () => {
    const opened = open(logged(start, end))
    const before = answers(opened)
    opened.graph.change(() => opened.graph.clear())
    while (opened.graph.advance(1, { keepMarks: false }) > 0) continue
    expect([new SqliteExport(opened.graph.database).digest(), ...(answers(opened) as unknown[]).slice(1)]).toEqual(before)
  })

  it('survives names and values that nobody should send', () => {
    const odd = ['__proto__', 'constructor', '', '\ud800', 'a:b:c', `${'x'.repeat(3000)}`, "'; DROP TABLE ol_jobs; --", ' ']
    const events = logged(
      ...odd.map((name, index) =>
        runEvent({
          run: name === '' ? 'empty' : name,
          job: name,
          inputs: [
            dataset(name, {
              facets: JSON.parse(
                '{"__proto__":{"a":1},"symlinks":{"identifiers":[null,7,{"namespace":1}]},"columnLineage":{"fields":{"x":null,"y":{"inputFields":[null,1]}}}}',
              ),
            }),
          ],
          outputs: [
            dataset(`${name}${index}`, {
              outputFacets: { outputStatistics: facet({ rowCount: 1e300, size: -5 }) },
              facets: { lineage: { inputs: 'no', fields: { a: null } }, schema: null },
            }),
          ],
          jobFacets: { lineage: facet({ entries: [null, { type: 'DATASET' }, { type: 'JOB', inputs: [{}] }] }) },
        }),
      ),
    )
    const opened = open(events)
    expect(opened.ask({ what: 'jobs', ...all }).totalCount).toBe(odd.length)
    for (const name of odd.filter((each) => each !== '\ud800' && each !== ''))
      expect(opened.ask({ what: 'lineage', nodeId: `job:ns:${name}`, depth: 1 }).graph.length).toBeGreaterThan(1)
  })
})

it('takes half of a surrogate pair for U+FFFD, in whatever batches its events come', () => {
  const of = (run: string, time: string, name: string) =>
    runEvent({ run, time, job: `j${name}`, inputs: [dataset(`d${name}`)], outputs: [dataset('out')] })
  const events = logged(
    of('r\ud800', '2026-01-31T10:00:00Z', '\ud800'),
    of('r\udfff', '2026-01-31T11:00:00Z', '\udfff\ud83d\ude00\\ud800'),
    of('r\ud800', '2026-01-31T12:00:00Z', '\ud800'),
    of('r\ufffd', '2026-01-31T13:00:00Z', '\ufffd'),
  )
  const opened = open(events, 1)
  expect(answers(open(events))).toEqual(answers(opened))
  const names = opened.ask({ what: 'jobs', ...all }).jobs.map(({ name }: { name: string }) => name)
  expect(names).toEqual(['j\ufffd', 'j\ufffd\ud83d\ude00\\ud800'])
  expect(opened.edges.map((edge) => edge.count)).toEqual(opened.edges.map(() => 1))
})

describe('the catalogue', () => {
  it('gives facets byte for byte, the latest of each name, without those deleted', () => {
    const odd = '{"_producer":"p","_schemaURL":"s", "n": 1.50, "big": 12345678901234567890, "u": "\\u00e9\\ud800" }'
    const first = JSON.stringify(runEvent({ outputs: [dataset('t', { facets: { mine: '@', gone: facet({}) } })] })).replace(
      '"@"',
      odd,
    )
    const second = runEvent({
      time: '2026-02-01T00:00:00Z',
      outputs: [dataset('t', { facets: { gone: facet({ _deleted: true }) } })],
    })
    const opened = open(logged(second, first))
    const text = opened.text({ what: 'dataset', namespace: 'db', name: 't' })
    expect(text).toContain(`"facets":{"mine":${odd}}`)
    const run = opened.text({ what: 'run', id: uuid(1) })
    expect(run).toContain('"state":"COMPLETED"')
  })

  it('shows no facet of a run that a later event of it has taken away', () => {
    const gone = { gone: facet({ n: 1 }), kept: facet({ n: 2 }) }
    const deleted = { gone: facet({ _deleted: true }) }
    const { ask } = open(
      logged(
        runEvent({ type: 'START', time: '2026-01-31T09:00:00Z', runFacets: gone, jobFacets: gone }),
        runEvent({ runFacets: deleted, jobFacets: deleted }),
      ),
    )
    for (const type of ['run', 'job'] as const) {
      expect(Object.keys(ask({ what: 'run-facets', id: uuid(1), type }).facets)).toEqual(['kept'])
    }
  })

  it('walks a chain by hops of jobs', () => {
    const chain = [...Array(50).keys()].map((job) =>
      runEvent({ run: uuid(job), job: `j${job}`, inputs: [dataset(`d${job}`)], outputs: [dataset(`d${job + 1}`)] }),
    )
    const { ask } = open(logged(...chain))
    const ids = (nodeId: string, depth: number) =>
      ask({ what: 'lineage', nodeId, depth })
        .graph.map((node: { id: string }) => node.id)
        .toSorted()
    expect(ids('job:ns:j10', 0)).toEqual(['dataset:db:d10', 'dataset:db:d11', 'job:ns:j10'])
    expect(ids('job:ns:j10', 1)).toEqual([
      'dataset:db:d10',
      'dataset:db:d11',
      'dataset:db:d12',
      'dataset:db:d9',
      'job:ns:j10',
      'job:ns:j11',
      'job:ns:j9',
    ])
    expect(ids('job:ns:j25', 20).filter((id: string) => id.startsWith('job'))).toHaveLength(41)
    expect(ids('dataset:db:d0', 3).filter((id: string) => id.startsWith('job'))).toHaveLength(4)
    expect(() => ask({ what: 'lineage', nodeId: 'job:ns:nobody', depth: 1 })).toThrow('no lineage is known')
    expect(() => ask({ what: 'lineage', nodeId: 'nonsense', depth: 1 })).toThrow('is none of')
  })

  it('takes datasets that share an alias for one, each of them moved a few times at most', () => {
    const symlinks = facet({ identifiers: [{ namespace: 'hive', name: 'shared', type: 'TABLE' }] })
    const opened = open(
      logged(runEvent({ outputs: [...Array(1000).keys()].map((index) => dataset(`d${index}`, { facets: { symlinks } })) })),
    )
    const set = vi.spyOn(Map.prototype, 'set')
    const flows = new FlowGraph(new Statements(opened.graph.database))
    flows.refresh()
    const calls = set.mock.calls.length
    set.mockRestore()
    expect(new Set([...Array(1001).keys()].map((index) => flows.head(index + 1))).size).toBeLessThan(4)
    expect(calls).toBeLessThan(20_000)
  })

  it('takes datasets that are called one for one', () => {
    const symlinks = facet({ identifiers: [{ namespace: 'hive', name: 'sales.orders', type: 'TABLE' }] })
    const { ask } = open(
      logged(
        runEvent({ run: uuid(2), job: 'report', inputs: [{ namespace: 'hive', name: 'sales.orders' }] }),
        runEvent({ outputs: [{ namespace: 's3://lake', name: 'orders', facets: { symlinks } }] }),
      ),
    )
    for (const nodeId of ['job:ns:load', 'dataset:s3://lake:orders', 'dataset:hive:sales.orders']) {
      const ids = ask({ what: 'lineage', nodeId, depth: 1 }).graph.map((node: { id: string }) => node.id)
      expect(ids.toSorted()).toEqual(['dataset:s3://lake:orders', 'job:ns:load', 'job:ns:report'])
    }
  })

  it('follows columns up and down, with their transformations', () => {
    const field = (name: string, column: string, type: string, subtype: string) => ({
      namespace: 'db',
      name,
      field: column,
      transformations: [{ type, subtype, description: 'd', masking: true }],
    })
    const columnLineage = facet({
      fields: { total: { inputFields: [field('a', 'amount', 'DIRECT', 'AGGREGATION')] } },
      dataset: [field('a', 'day', 'INDIRECT', 'FILTER')],
    })
    const next = facet({ fields: { sum: { inputFields: [{ namespace: 'db', name: 'b', field: 'total' }] } } })
    const { ask } = open(
      logged(
        runEvent({
          inputs: [dataset('a')],
          outputs: [dataset('b', { facets: { columnLineage, schema: facet({ fields: [{ name: 'total', type: 'INT' }] }) } })],
        }),
        runEvent({
          run: uuid(2),
          job: 'next',
          inputs: [dataset('b')],
          outputs: [dataset('c', { facets: { columnLineage: next } })],
        }),
      ),
    )
    const graph = (nodeId: string, downstream: boolean) =>
      ask({ what: 'columns', nodeId, depth: 20, downstream }).graph as {
        id: string
        data: { fieldType: string; inputFields: { field: string; transformations: object[] }[] }
        inEdges: { origin: string }[]
      }[]
    const up = graph('datasetField:db:c:sum', false)
    expect(up.map(({ id }) => id).toSorted()).toEqual([
      'datasetField:db:a:amount',
      'datasetField:db:a:day',
      'datasetField:db:b:total',
      'datasetField:db:c:sum',
    ])
    const total = up.find(({ id }) => id.endsWith('b:total'))
    expect(total?.data.fieldType).toBe('INT')
    expect(total?.data.inputFields.map(({ field: name, transformations }) => [name, transformations]).toSorted()).toEqual([
      ['amount', [{ type: 'DIRECT', subtype: 'AGGREGATION', description: 'd', masking: true }]],
      ['day', [{ type: 'INDIRECT', subtype: 'FILTER', description: 'd', masking: true }]],
    ])
    expect(graph('datasetField:db:a:day', true).map(({ id }) => id)).toContain('datasetField:db:c:sum')
    expect(graph('dataset:db:a', false)).toHaveLength(2)
  })

  it('follows columns through datasets that share an alias, whichever of their names has them', () => {
    const symlinks = facet({ identifiers: [{ namespace: 'hive', name: 'shared', type: 'TABLE' }] })
    const columnLineage = facet({ fields: { x: { inputFields: [{ namespace: 'db', name: 'source', field: 'y' }] } } })
    const schema = facet({ fields: [{ name: 'x', type: 'INT' }] })
    const { ask } = open(
      logged(
        runEvent({ outputs: [dataset('a', { facets: { symlinks } })] }),
        runEvent({ run: uuid(2), job: 'other', outputs: [dataset('b', { facets: { symlinks, columnLineage, schema } })] }),
      ),
    )
    const ids = ['datasetField:db:a:x', 'datasetField:db:source:y']
    for (const start of ['datasetField:db:a:x', 'datasetField:db:b:x', 'dataset:hive:shared', 'job:ns:other']) {
      const { graph } = ask({ what: 'columns', nodeId: start, depth: 5, downstream: false })
      expect(graph.map((node: { id: string }) => node.id).toSorted(), start).toEqual(ids)
      expect(graph.map((node: { data: { fieldType: string | null } }) => node.data.fieldType)).toContain('INT')
    }
    const down = ask({ what: 'columns', nodeId: 'datasetField:db:source:y', depth: 5, downstream: true })
    expect(down.graph.map((node: { id: string }) => node.id).toSorted()).toEqual(ids)
  })

  it('keeps the columns of the latest word of a job', () => {
    const columns = (input: string) => facet({ fields: { x: { inputFields: [{ namespace: 'db', name: 'a', field: input }] } } })
    const event = (time: string, input: string) =>
      runEvent({ time, outputs: [dataset('b', { facets: { columnLineage: columns(input) } })] })
    const events = [event('2026-01-01T00:00:00Z', 'old'), event('2026-01-02T00:00:00Z', 'new')]
    for (const [order, batch] of [events, events.toReversed()].flatMap((each) => [[each, 1] as const, [each, 10] as const])) {
      const { graph } = open(logged(...order), batch).ask({
        what: 'columns',
        nodeId: 'datasetField:db:b:x',
        depth: 1,
        downstream: false,
      })
      expect(graph.map((node: { id: string }) => node.id)).toEqual(['datasetField:db:b:x', 'datasetField:db:a:new'])
    }
  })
})

describe('a run with too many edges', () => {
  const numbered = (prefix: string, count: number) => [...Array(count).keys()].map((index) => dataset(`${prefix}${index}`))

  it('is set aside with the reason, and the events beside it are taken', () => {
    const events = logged(
      runEvent({ run: uuid(1), inputs: numbered('a', 400), outputs: numbered('b', 400) }),
      runEvent({ run: uuid(2), inputs: [dataset('a')], outputs: [dataset('b')] }),
    )
    const { graph, edges } = open(events)
    expect(graph.database.prepare('SELECT * FROM set_aside').all()).toEqual([
      { offset: 0, reason: 'its run would have 160800 edges, more than the 100000 that one may have' },
    ])
    expect(edges).toHaveLength(3)
  })

  it('keeps what its events said before', () => {
    const events = logged(
      runEvent({ type: 'START', inputs: numbered('a', 400), outputs: numbered('b', 2) }),
      runEvent({ type: 'RUNNING', time: '2026-01-31T10:01:00Z', outputs: numbered('b', 400) }),
      runEvent({ time: '2026-01-31T10:02:00Z', outputs: numbered('c', 1) }),
    )
    const { graph, edges } = open(events)
    expect(graph.setAside()).toBe(1)
    expect(edges).toHaveLength(400 + 3 + 3 * 400)
  })
})

it('takes a text with a NUL for none, wherever an event names something', () => {
  const bad = 'b\0x'
  const input = { type: 'DATASET', namespace: 'db', name: bad }
  const facets = {
    symlinks: facet({ identifiers: [{ namespace: 'db', name: bad, type: 'TABLE' }] }),
    version: facet({ datasetVersion: '1\0x' }),
    columnLineage: facet({
      fields: {
        a: {
          inputFields: [
            { namespace: 'db', name: bad, field: 'a' },
            { namespace: 'db', name: 'in', field: 'a\0x' },
          ],
        },
        'c\0x': { inputFields: [{ namespace: 'db', name: 'in', field: 'a' }] },
      },
    }),
    lineage: facet({ inputs: [input], fields: { 'c\0x': { inputs: [{ ...input, name: 'in', field: 'a' }] } } }),
  }
  const parent = facet({ run: { runId: uuid(9) }, job: { namespace: 'ns', name: bad } })
  const event = runEvent({ inputs: [dataset('in')], outputs: [dataset('out', { facets })], runFacets: { parent } })
  const { graph, vertices } = open(logged(event))
  const rows = (sql: string): unknown[] => graph.database.prepare(sql).all()
  expect(rows('SELECT name FROM ol_datasets ORDER BY name')).toEqual([{ name: 'in' }, { name: 'out' }])
  expect(rows('SELECT parent FROM ol_jobs')).toEqual([{ parent: null }])
  expect(rows('SELECT * FROM ol_symlinks')).toEqual([])
  expect(rows('SELECT field FROM ol_columns')).toEqual([])
  expect(vertices.flatMap((vertex) => ('version' in vertex ? [vertex.version] : []))).toEqual([null, null])
})
