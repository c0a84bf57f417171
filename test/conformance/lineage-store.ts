import { describe, expect, it, onTestFinished } from 'vitest'
import type { LineageBatch, LineageEdge, LineageStore, SegmentVertex, Vertex } from '../../src/lineage/lineage-store.js'

const never = new AbortController().signal
const day = 20_000
const noonOfDay = day * 86_400_000_000 + 43_200_000_000

/**
 * What every lineage store promises. `open` gives an empty store, which may be the one before, emptied; `reopen` the same one after
 * it was closed, where that makes sense.
 */
export function lineageStoreConformance(
  name: string,
  open: () => Promise<{ readonly store: LineageStore; readonly reopen?: () => Promise<LineageStore> }>,
): void {
  const opened = async (): Promise<{ store: LineageStore; reopen?: () => Promise<LineageStore> }> => {
    const { store, reopen } = await open()
    onTestFinished(() => store.close().catch(() => {}))
    return { store, ...(reopen === undefined ? {} : { reopen }) }
  }

  describe(`${name} keeps the promises of a lineage store`, () => {
    it('starts empty at offset 0', async () => {
      const { store } = await opened()
      expect(await store.offset()).toBe(0)
      expect(await store.digest()).toMatchObject({ vertices: 0, edges: 0 })
    })

    it('adds up edges of one key and keeps first, last, peak and days', async () => {
      const { store } = await opened()
      await store.apply(batch(0, 1, [segment('s-1'), node('n1')], [used('s-1', 'n1', { at: noonOfDay })]), never)
      await store.apply(batch(1, 2, [], [used('s-1', 'n1', { at: noonOfDay - 86_400_000_000, count: 2, peak: 9 })]), never)
      const { edges } = await store.trace(['s-1'], { direction: 'both', depth: 1, limit: 10 }, never)
      expect(edges).toHaveLength(1)
      expect(edges[0]).toMatchObject({
        from: 's-1',
        to: 'n1',
        type: 'PROCESSED_BY',
        count: 3,
        firstAt: noonOfDay - 86_400_000_000,
        lastAt: noonOfDay,
        totals: { rows: 30, bytes: 300, cpuMicros: 3000, peakMemoryBytes: 9, queueMicros: 30, transferMicros: 60 },
        days: [
          [day - 1, 2],
          [day, 1],
        ],
      })
    })

    it('adds an edge that counts on no day to one that does, and one that does to it', async () => {
      const { store } = await opened()
      const dayless = (id: string): LineageEdge => ({ ...used(id, 'n1', { count: 0 }), days: [] })
      const counted = (id: string): LineageEdge => used(id, 'n1', { at: noonOfDay })
      await store.apply(batch(0, 1, [segment('s-1'), segment('s-2'), node('n1')], [dayless('s-1'), counted('s-2')]), never)
      await store.apply(batch(1, 2, [], [dayless('s-1'), dayless('s-2')]), never)
      await store.apply(batch(2, 3, [], [counted('s-1')]), never)
      const { edges } = await store.trace(['s-1', 's-2'], { direction: 'both', depth: 1, limit: 10 }, never)
      expect(edges.map(({ count, days }) => ({ count, days }))).toEqual([
        { count: 1, days: [[day, 1]] },
        { count: 1, days: [[day, 1]] },
      ])
    })

    it('adds up rows and bytes as far as they are exact numbers', async () => {
      const { store } = await opened()
      const edge = used('s-1', 'n1')
      const totals = { ...edge.totals, rows: Number.MAX_SAFE_INTEGER - 1, bytes: Number.MAX_SAFE_INTEGER - 1 }
      const vertices = [segment('s-1'), node('n1')]
      for (const offset of [0, 1]) await store.apply(batch(offset, offset + 1, vertices, [{ ...edge, totals }]), never)
      const { edges } = await store.trace(['s-1'], { direction: 'both', depth: 1, limit: 10 }, never)
      expect(edges[0]?.totals).toMatchObject({ rows: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER })
    })

    it('changes nothing when a batch comes again', async () => {
      const { store } = await opened()
      const first = batch(0, 3, [segment('s-1'), node('n1')], [used('s-1', 'n1')])
      await store.apply(first, never)
      const digest = await store.digest()
      await store.apply(first, never)
      expect(await store.digest()).toEqual(digest)
      expect(await store.offset()).toBe(3)
    })

    it('refuses a batch that overlaps what it has, or leaves a gap', async () => {
      const { store } = await opened()
      await store.apply(chain(), never)
      const digest = await store.digest()
      await expect(store.apply(batch(0, 3, [segment('s-9')], []), never)).rejects.toThrow(/does not follow/)
      await expect(store.apply(batch(2, 3, [segment('s-9')], []), never)).rejects.toThrow(/does not follow/)
      expect(await store.digest()).toEqual(digest)
      expect(await store.offset()).toBe(1)
    })

    it('gives the same digest for the same changes in another order and in other batches', async () => {
      const { store: one } = await opened()
      const edges = [
        used('s-1', 'n1', { at: noonOfDay }),
        used('s-1', 'n1', { at: noonOfDay + 5, peak: 7 }),
        made('s-1', 'd-1'),
        made('s-2', 'd-1'),
      ]
      const vertices = [
        segment('s-1'),
        segment('s-2'),
        segment('d-1', { kind: 'derived' }),
        node('n1', ['leaf']),
        node('n1', ['root']),
      ]
      await one.apply(batch(0, 4, vertices, edges), never)
      const digest = await one.digest()
      const { store: other } = await opened()
      for (const [index, edge] of edges.toReversed().entries()) {
        await other.apply(batch(index, index + 1, index === 0 ? vertices.toReversed() : [], [edge]), never)
      }
      expect(await other.digest()).toEqual(digest)
    })

    it('joins what is said of one vertex to the larger value, whichever came first', async () => {
      const { store } = await opened()
      await store.apply(batch(0, 1, [segment('s-1', { rows: 5, version: null })], []), never)
      await store.apply(batch(1, 2, [segment('s-1', { rows: 3, version: 'v1' })], []), never)
      const { vertices } = await store.trace(['s-1'], { direction: 'both', depth: 1, limit: 10 }, never)
      expect(vertices).toEqual([segment('s-1', { rows: 5, version: 'v1' })])
    })

    it('traces upstream, downstream and both, nearest first, with every PROCESSED_BY edge of each segment reached', async () => {
      const { store } = await opened()
      await store.apply(chain(), never)
      const up = await store.trace(['d-1'], { direction: 'upstream', depth: 50, limit: 100 }, never)
      expect(edgeNames(up.edges)).toEqual(['d-1→n2', 's-1→d-1', 's-1→n1'])
      const down = await store.trace(['d-1'], { direction: 'downstream', depth: 50, limit: 100 }, never)
      expect(edgeNames(down.edges)).toEqual(['d-1→n2', 'd-1→d-2', 'd-2→client'])
      const both = await store.trace(['d-1'], { direction: 'both', depth: 50, limit: 100 }, never)
      expect(edgeNames(both.edges).toSorted()).toEqual(['d-1→d-2', 'd-1→n2', 'd-2→client', 's-1→d-1', 's-1→n1'])
      expect(both.vertices.map((vertex) => vertex.id).toSorted()).toEqual(['client', 'd-1', 'd-2', 'n1', 'n2', 's-1'])
    })

    it('goes no further than the depth and no longer than the limit, and says so', async () => {
      const { store } = await opened()
      await store.apply(chain(), never)
      const near = await store.trace(['d-2'], { direction: 'upstream', depth: 1, limit: 100 }, never)
      expect(edgeNames(near.edges)).toEqual(['d-2→client', 'd-1→d-2', 'd-1→n2'])
      expect(near.truncated).toBe(false)
      const cut = await store.trace(['d-2'], { direction: 'upstream', depth: 50, limit: 2 }, never)
      expect(cut.edges).toHaveLength(2)
      expect(cut.truncated).toBe(true)
    })

    it('starts at a node with the segments that it processed', async () => {
      const { store } = await opened()
      await store.apply(chain(), never)
      const graph = await store.trace(['node:n2'], { direction: 'downstream', depth: 1, limit: 100 }, never)
      expect(edgeNames(graph.edges)).toEqual(['d-1→n2', 'd-1→d-2', 'd-2→client'])
    })

    it('ends on a cycle', async () => {
      const { store } = await opened()
      await store.apply(batch(0, 1, [segment('d-1'), segment('d-2')], [made('d-1', 'd-2'), made('d-2', 'd-1')]), never)
      const graph = await store.trace(['d-1'], { direction: 'downstream', depth: 50, limit: 100 }, never)
      expect(graph.edges).toHaveLength(2)
    })

    it('leaves out what began after asOf', async () => {
      const { store } = await opened()
      const edges = [used('s-1', 'n1', { at: noonOfDay }), used('s-1', 'n2', { at: noonOfDay + 10 })]
      await store.apply(batch(0, 1, [segment('s-1'), node('n1'), node('n2')], edges), never)
      const then = await store.trace(['s-1'], { direction: 'both', depth: 1, limit: 10, asOf: noonOfDay + 5 }, never)
      expect(edgeNames(then.edges)).toEqual(['s-1→n1'])
    })

    it('folds a vertex into another with its edges added up, before the increments of the same batch', async () => {
      const { store } = await opened()
      const vertices = [segment('s-1'), segment('d-1', { kind: 'derived' }), node('n1')]
      await store.apply(batch(0, 1, vertices, [made('s-1', 'd-1'), used('d-1', 'n1')]), never)
      const folded = segment('d-folded-1', { kind: 'derived', rows: 0, bytes: 0 })
      const again = {
        ...batch(1, 2, [folded, segment('d-1', { kind: 'derived' })], [made('s-1', 'd-1'), made('s-1', 'd-folded-1')]),
      }
      await store.apply({ ...again, folds: [{ from: 'd-1', into: 'd-folded-1' }] }, never)
      const graph = await store.trace(['s-1'], { direction: 'downstream', depth: 5, limit: 10 }, never)
      expect(graph.edges.map((edge) => `${edge.from}→${edge.to}×${edge.count}`).toSorted()).toEqual([
        'd-folded-1→n1×1',
        's-1→d-1×1',
        's-1→d-folded-1×2',
      ])
    })

    it('orders segments by decayed use, hottest first', async () => {
      const { store } = await opened()
      const at = noonOfDay
      const edges = [
        used('s-1', 'n1', { at: at - 10 * 86_400_000_000, count: 4 }),
        used('s-2', 'n1', { at, count: 2 }),
        used('s-3', 'n1', { at, count: 1 }),
      ]
      await store.apply(batch(0, 1, [segment('s-1'), segment('s-2'), segment('s-3'), node('n1')], edges), never)
      const hot = await store.hottest(2, at)
      expect(hot.map((entry) => entry.id)).toEqual(['s-2', 's-1'])
      expect(hot[0]).toMatchObject({ dataset: 't', degree: 2, hotness: 2 })
      // Ten days: (0.5^10 + 0.5^(10/14)) / 2 of 4.
      expect(hot[1]?.hotness).toBeCloseTo(((0.5 ** 10 + 0.5 ** (10 / 14)) / 2) * 4, 9)
    })

    it('tells the decayed work of nodes on some segments', async () => {
      const { store } = await opened()
      const edges = [used('s-1', 'n1', { count: 4 }), used('s-2', 'n2')]
      await store.apply(batch(0, 1, [segment('s-1'), segment('s-2'), node('n1'), node('n2')], edges), never)
      expect(await store.work(['s-1', 's-9'], noonOfDay)).toEqual([
        { node: 'n1', segment: 's-1', transformation: 'aggregate', detail: 'sum(a)', decayedCount: 4 },
      ])
    })

    it('is empty after clear and takes batches from the beginning again', async () => {
      const { store } = await opened()
      await store.apply(chain(), never)
      const digest = await store.digest()
      await store.clear()
      expect(await store.offset()).toBe(0)
      expect(await store.digest()).toMatchObject({ vertices: 0, edges: 0 })
      await store.apply(chain(), never)
      expect(await store.digest()).toEqual(digest)
    })

    it('knows the log that it was cleared for', async () => {
      const { store } = await opened()
      await store.clear('log-1')
      await store.apply(chain(), never)
      expect(await store.origin()).toBe('log-1')
      await store.clear()
      expect(await store.origin()).toBeUndefined()
    })

    it('takes the parts of a checkpoint, which span no offsets', async () => {
      const { store } = await opened()
      await store.apply({ ...chain(), from: 0, to: 0 }, never)
      await store.apply(batch(0, 7, [], []), never)
      expect(await store.offset()).toBe(7)
      expect((await store.digest()).edges).toBe(5)
    })

    it('keeps what it applied across a restart', async () => {
      const { store, reopen } = await opened()
      if (reopen === undefined) return
      await store.apply(chain(), never)
      const digest = await store.digest()
      await store.close()
      const again = await reopen()
      onTestFinished(() => again.close())
      expect(await again.offset()).toBe(1)
      expect(await again.digest()).toEqual(digest)
    })
  })
}

function batch(from: number, to: number, vertices: readonly Vertex[], edges: readonly LineageEdge[]): LineageBatch {
  return { from, to, vertices, edges, folds: [] }
}

function chain(): LineageBatch {
  const vertices = [segment('s-1'), segment('d-1', { kind: 'derived' }), segment('d-2', { kind: 'derived' })]
  const nodes = [node('n1', ['leaf']), node('n2', ['root']), { ...node('client'), kind: 'client' as const }]
  const edges = [used('s-1', 'n1'), made('s-1', 'd-1'), used('d-1', 'n2'), made('d-1', 'd-2'), used('d-2', 'client')]
  return batch(0, 1, [...vertices, ...nodes], edges)
}

function segment(id: string, more: Partial<SegmentVertex> = {}): SegmentVertex {
  return { type: 'DataSegment', id, kind: 'base', dataset: 't', version: 'v', rows: 10, bytes: 100, location: null, ...more }
}

function node(id: string, roles: readonly ('leaf' | 'aggregator' | 'root')[] = []): Extract<Vertex, { type: 'ProcessingNode' }> {
  return { type: 'ProcessingNode', id, kind: 'duckdb', roles, host: '' }
}

interface EdgeParts {
  readonly at?: number
  readonly count?: number
  readonly peak?: number
}

function used(from: string, to: string, parts: EdgeParts = {}): LineageEdge {
  return { ...made(from, to, parts), type: 'PROCESSED_BY', destinationNode: to }
}

function made(from: string, to: string, { at = noonOfDay, count = 1, peak = 1 }: EdgeParts = {}): LineageEdge {
  return {
    from,
    to,
    type: 'TRANSFORMED_INTO',
    transformation: { type: 'aggregate', detail: 'sum(a)', shape: 'shape-1' },
    sourceNode: 'storage',
    destinationNode: 'n1',
    firstAt: at,
    lastAt: at,
    count,
    totals: {
      rows: 10 * count,
      bytes: 100 * count,
      cpuMicros: 1000 * count,
      peakMemoryBytes: peak,
      queueMicros: 10 * count,
      transferMicros: 20 * count,
    },
    days: [[Math.floor(at / 86_400_000_000), count]],
  }
}

function edgeNames(edges: readonly LineageEdge[]): string[] {
  return edges.map((edge) => `${edge.from}→${edge.to}`)
}
