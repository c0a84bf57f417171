import { expect, test } from 'vitest'
import type { StoredSegment } from '../../src/model/segment.js'
import { DerivedIndex } from '../../src/scheduler/derived-index.js'

const stored = (id: string, bytes = 10, node = 'n1'): StoredSegment => ({
  id,
  node,
  path: `/spool/${id}`,
  carrier: 'parquet',
  columns: [],
  rows: 1,
  bytes,
  crc32: 0,
})

function setUp(bytesMax = 1_000) {
  const evicted: string[] = []
  const duplicates: string[] = []
  const index = new DerivedIndex({
    bytesMax,
    onEvict: (gone) => evicted.push(...gone.map((segment) => segment.id)),
    onDuplicate: (duplicate) => duplicates.push(duplicate.path),
  })
  return { index, evicted, duplicates }
}

test('finds an answer by its id', () => {
  const { index } = setUp()
  index.add({ stored: stored('d-1'), covers: [], savedMs: 5 })
  expect(index.find('d-1')?.id).toBe('d-1')
  expect(index.find('d-2')).toBeUndefined()
})

test('keeps one file of a segment that was made twice, and says which one may go', () => {
  const { index, duplicates } = setUp()
  index.add({ stored: stored('d-1'), covers: [], savedMs: 5 })
  index.add({ stored: stored('d-1'), covers: [], savedMs: 5 })
  expect(duplicates).toEqual([])
  index.add({ stored: { ...stored('d-1'), path: '/spool/d-1.1-2' }, covers: [], savedMs: 5 })
  expect([index.find('d-1')?.path, duplicates]).toEqual(['/spool/d-1', ['/spool/d-1.1-2']])
  expect(index.bytes).toBe(10)
})

test('covers grown data with what is stored and leaves the rest', () => {
  const { index } = setUp()
  index.add({ stored: stored('d-small'), work: 'w', covers: ['s1'], savedMs: 5 })
  index.add({ stored: stored('d-large'), work: 'w', covers: ['s1', 's2', 's3'], savedMs: 5 })
  const { found, rest } = index.cover('w', ['s1', 's2', 's3', 's4'])
  expect(found.map((entry) => entry.stored.id)).toEqual(['d-large'])
  expect(rest).toEqual(['s4'])
})

test('never covers a segment twice, nor one that is not asked for', () => {
  const { index } = setUp()
  index.add({ stored: stored('d-ab'), work: 'w', covers: ['a', 'b'], savedMs: 5 })
  index.add({ stored: stored('d-bc'), work: 'w', covers: ['b', 'c'], savedMs: 5 })
  index.add({ stored: stored('d-cx'), work: 'w', covers: ['c', 'x'], savedMs: 5 })
  const { found, rest } = index.cover('w', ['a', 'b', 'c'])
  expect(found).toHaveLength(1)
  expect(rest).toHaveLength(1)
})

test('covers nothing of other work', () => {
  const { index } = setUp()
  index.add({ stored: stored('d-1'), work: 'w', covers: ['a'], savedMs: 5 })
  expect(index.cover('v', ['a'])).toEqual({ found: [], rest: ['a'] })
})

test('lets go of what saves least per byte, and says so', () => {
  const { evicted, index } = setUp(100)
  index.add({ stored: stored('d-cheap', 60), covers: [], savedMs: 1 })
  index.add({ stored: stored('d-dear', 30), covers: [], savedMs: 1_000 })
  index.add({ stored: stored('d-new', 50), covers: [], savedMs: 100 })
  expect(evicted).toEqual(['d-cheap'])
  expect(index.bytes).toBe(80)
  expect(index.find('d-cheap')).toBeUndefined()
})

test('keeps what is pinned, and lets it go after', () => {
  const { evicted, index } = setUp(100)
  index.add({ stored: stored('d-read', 90), covers: [], savedMs: 1 })
  index.pin('d-read')
  index.add({ stored: stored('d-new', 90), covers: [], savedMs: 1_000 })
  expect(evicted).toEqual(['d-new'])
  index.add({ stored: stored('d-other', 10), covers: [], savedMs: 1 })
  index.unpin('d-read')
  expect(index.has('d-read')).toBe(true)
})

test('lets go of what another has taken the place of, but not while it is read', () => {
  const { evicted, index } = setUp()
  index.add({ stored: stored('d-1'), work: 'w', covers: ['a'], savedMs: 5 })
  index.pin('d-1')
  index.replaced('d-1')
  expect([index.has('d-1'), evicted]).toEqual([true, []])
  index.unpin('d-1')
  index.replaced('d-1')
  expect([index.has('d-1'), index.bytes, evicted]).toEqual([false, 0, ['d-1']])
})

test('forgets all that stood on a lost node', () => {
  const { evicted, index } = setUp()
  index.add({ stored: stored('d-1', 10, 'n1'), work: 'w', covers: ['a'], savedMs: 5 })
  index.add({ stored: stored('d-2', 10, 'n2'), work: 'w', covers: ['b'], savedMs: 5 })
  index.loseNode('n1')
  expect(index.cover('w', ['a', 'b']).found.map((entry) => entry.stored.id)).toEqual(['d-2'])
  expect(evicted).toEqual([])
})

test('what was once worth much ages away', () => {
  const { index } = setUp(100)
  index.add({ stored: stored('d-old', 50), covers: [], savedMs: 100 })
  for (let round = 0; round < 200; round++) index.add({ stored: stored(`d-${round}`, 50), covers: [], savedMs: 60 })
  expect(index.has('d-old')).toBe(false)
})
