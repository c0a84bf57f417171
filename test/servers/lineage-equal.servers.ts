import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { JanusGraphLineageStore } from '../../src/lineage/janusgraph/janusgraph-lineage-store.js'
import type { LineageBatch, LineageEdge, LineageGraph, LineageStore, Vertex } from '../../src/lineage/lineage-store.js'
import { Neo4jLineageStore } from '../../src/lineage/neo4j/neo4j-lineage-store.js'
import { SqliteLineageStore } from '../../src/lineage/sqlite/sqlite-lineage-store.js'
import { Seeded } from '../support/seeded.js'
import { useServer } from './support.js'

/** Graphs, each with its own questions; the seed of one that differs is in the message. */
const graphs = Number(process.env['FOREBAY_GRAPHS'] ?? 1000)
const firstSeed = Number(process.env['FOREBAY_SEED'] ?? 1)
/** So many share a database and their batches, told apart by the names of their vertices. */
const graphsTogether = 25
const batchesEach = 4
const noon = 20_600 * 86_400_000_000 + 43_200_000_000

describe('the three lineage stores', () => {
  let stores: readonly LineageStore[] = []

  beforeAll(async () => {
    stores = await Promise.all([
      SqliteLineageStore.open(':memory:'),
      Neo4jLineageStore.open(useServer('neo4j').urls['bolt'] ?? ''),
      JanusGraphLineageStore.open(useServer('janusgraph').urls['gremlin'] ?? ''),
    ])
  })
  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()))
  })

  it(`give equal answers for ${graphs} generated graphs and their questions`, async () => {
    for (let first = firstSeed; first < firstSeed + graphs; first += graphsTogether) {
      const seeds = [...Array(Math.min(graphsTogether, firstSeed + graphs - first)).keys()].map((index) => first + index)
      const answers = await Promise.all(stores.map((store) => answersOf(store, seeds)))
      for (const [index, name] of ['SQLite', 'Neo4j', 'JanusGraph'].entries()) {
        for (const [place, seed] of seeds.entries()) {
          expect(answers[index]?.graphs[place], `${name}, seed ${seed}`).toEqual(answers[0]?.graphs[place])
        }
        expect(answers[index], `${name}, seeds ${seeds[0]} and later`).toEqual(answers[0])
      }
    }
  }, 3_600_000)
})

interface Question {
  readonly from: readonly string[]
  readonly direction: 'upstream' | 'downstream' | 'both'
  readonly depth: number
  readonly limit: number
  readonly asOf?: number
  readonly segments: readonly string[]
  readonly at: number
  readonly hottest: number
}

/** A signal of one call's own: some calls at once would be too many listeners for one. */
function unending(): AbortSignal {
  return new AbortController().signal
}

async function answersOf(store: LineageStore, seeds: readonly number[]) {
  const cases = seeds.map((seed) => {
    const random = new Seeded(seed)
    return { batches: generate(random, seed), question: ask(random, seed) }
  })
  await store.clear('test')
  for (let step = 0; step < batchesEach; step++) {
    const batch = together(
      cases.flatMap(({ batches }) => batches[step] ?? []),
      step,
    )
    await store.apply(batch, unending())
    // A batch that comes again changes nothing.
    if ((seeds[0] ?? 0) % 2 === 0) await store.apply(batch, unending())
  }
  const at = cases[0]?.question.at ?? noon
  const hot = await store.hottest(cases[0]?.question.hottest ?? 1, at)
  const work = await store.work(
    cases.flatMap(({ question }) => question.segments),
    at,
  )
  return {
    graphs: await Promise.all(cases.map(async ({ question }) => traceOf(store, question))),
    work: work.map((entry) => JSON.stringify({ ...entry, decayedCount: entry.decayedCount.toPrecision(9) })).toSorted(),
    hotness: hot.map((entry) => entry.hotness.toPrecision(9)),
    offset: await store.offset(),
    digest: await store.digest(),
  }
}

async function traceOf(store: LineageStore, { from, direction, depth, limit, asOf }: Question): Promise<object> {
  return comparable(await store.trace(from, { direction, depth, limit, ...(asOf === undefined ? {} : { asOf }) }, unending()))
}

/** The same step of several graphs as one batch: they have no vertex in common. */
function together(batches: readonly LineageBatch[], step: number): LineageBatch {
  return {
    from: step,
    to: step + 1,
    vertices: batches.flatMap((batch) => batch.vertices),
    edges: batches.flatMap((batch) => batch.edges),
    folds: batches.flatMap((batch) => batch.folds),
  }
}

/** What was cut off at the limit is the store's choice: then only how much there is. */
function comparable(graph: LineageGraph): object {
  if (graph.truncated) return { truncated: true, edges: graph.edges.length }
  return {
    truncated: false,
    vertices: graph.vertices.map((vertex) => JSON.stringify(Object.entries(vertex).toSorted())).toSorted(),
    edges: graph.edges.map((found) => JSON.stringify(Object.entries(found).toSorted())).toSorted(),
  }
}

function ask(random: Seeded, seed: number): Question {
  const starts = [
    `d-${seed}-${random.below(12)}`,
    `s-${seed}-${random.below(6)}`,
    `node:n${random.below(3)}-${seed}`,
    'd-nowhere',
  ]
  return {
    from: starts.filter(() => random.below(2) === 0),
    direction: random.pick(['upstream', 'downstream', 'both']),
    depth: 1 + random.below(6),
    limit: random.below(4) === 0 ? 1 + random.below(10) : 10_000,
    ...(random.below(3) === 0 ? { asOf: noon + random.below(2_000_000) } : {}),
    segments: [`s-${seed}-0`, `s-${seed}-1`, `d-${seed}-2`, `d-${seed}-3`],
    at: noon + random.below(30) * 86_400_000_000,
    hottest: 1 + random.below(20),
  }
}

/** A few batches: edges among a few segments and nodes (cycles and self-edges too), repeated keys, days apart, folds, odd names. */
function generate(random: Seeded, seed: number): LineageBatch[] {
  const bases = [...Array(6).keys()].map((index) => `s-${seed}-${index}`)
  const derived = [...Array(12).keys()].map((index) => `d-${seed}-${index}`)
  const nodes = [...Array(3).keys()].map((index) => `n${index}-${seed}`)
  const vertices: Vertex[] = [
    ...bases.map((id) => segment(random, id, 'base')),
    ...derived.map((id) => segment(random, id, 'derived')),
    ...nodes.map((id) => ({ type: 'ProcessingNode' as const, id, kind: 'duckdb' as const, roles: [], host: '' })),
  ]
  return [...Array(batchesEach).keys()].map((index) => {
    const folds =
      index > 0 && random.below(2) === 0 ? [{ from: random.pick(derived), into: `d-folded-${seed}-${random.below(2)}` }] : []
    const edges = [...Array(random.below(25)).keys()].map(() => edge(random, [...bases, ...derived], derived, nodes))
    const targets = folds.map(({ into }) => folded(into))
    const described = vertices.filter(
      (vertex) => index === 0 || random.below(3) === 0 || edges.some((entry) => touches(entry, vertex)),
    )
    return {
      from: index,
      to: index + 1,
      vertices: [...described.map((vertex) => told(random, vertex)), ...targets],
      edges,
      folds,
    }
  })
}

function touches({ from, to }: LineageEdge, vertex: Vertex): boolean {
  return from === vertex.id || to === vertex.id
}

function told(random: Seeded, vertex: Vertex): Vertex {
  if (vertex.type === 'DataSegment') return { ...vertex, rows: vertex.rows + random.below(3) }
  return { ...vertex, roles: (['leaf', 'aggregator', 'root'] as const).filter(() => random.below(2) === 0) }
}

function segment(random: Seeded, id: string, kind: 'base' | 'derived'): Vertex {
  const dataset = random.pick([null, 't', "o'brien", 'größe ✓', 'a;b c\u001fd', 'tab\tline\n"quoted"\\'])
  const version = random.pick([null, 'v1', 'v2'])
  return {
    type: 'DataSegment',
    id,
    kind,
    dataset,
    version,
    rows: random.below(2 ** 30),
    bytes: random.below(2 ** 30) * 4_194_304,
    location: null,
  }
}

function folded(id: string): Vertex {
  return { type: 'DataSegment', id, kind: 'derived', dataset: null, version: null, rows: 0, bytes: 0, location: null }
}

function edge(random: Seeded, sources: readonly string[], made: readonly string[], nodes: readonly string[]): LineageEdge {
  const used = random.below(2) === 0
  const at = noon - random.below(4) * 86_400_000_000 + random.below(2_000_000)
  const count = 1 + random.below(3)
  const shape = random.below(2)
  return {
    from: random.pick(sources),
    to: random.pick(used ? nodes : made),
    type: used ? 'PROCESSED_BY' : 'TRANSFORMED_INTO',
    transformation: { type: 'aggregate', detail: `sum("a;b ${shape}\n\t'")`, shape: `shape-${shape}` },
    sourceNode: random.pick(['storage', ...nodes]),
    destinationNode: random.pick(nodes),
    firstAt: at,
    lastAt: at + random.below(1_000),
    count,
    totals: {
      rows: random.below(1000),
      bytes: random.below(2 ** 30) * 1024,
      cpuMicros: random.below(1000),
      peakMemoryBytes: random.below(1000),
      queueMicros: random.below(1000),
      transferMicros: random.below(1000),
    },
    days: [[Math.floor(at / 86_400_000_000), count]],
  }
}
