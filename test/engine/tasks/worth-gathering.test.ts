import { expect, test } from 'vitest'
import { worthGathering } from '../../../src/engine/embedded/tasks/worth-gathering.js'
import type { DerivedEntry } from '../../../src/scheduler/derived-index.js'

const memoryBytes = 1e9
const kilobytes = (...sizes: number[]): DerivedEntry[] =>
  sizes.map((size, index) => {
    const id = `d-${index}`
    const stored = {
      id,
      node: 'n1',
      path: `/${id}`,
      carrier: 'parquet',
      columns: [],
      rows: 1,
      bytes: size * 1_000,
      crc32: 0,
    } as const
    return { stored, covers: [`s-${index}`], savedMs: 1 }
  })
const many = (size: number, count: number): number[] => Array.from({ length: count }, () => size)
const sizesOf = (gathered: readonly DerivedEntry[]): number[] => gathered.map(({ stored }) => stored.bytes / 1_000)

test('gathers many partials, and few not', () => {
  expect(worthGathering(kilobytes(...many(1, 7)), 'auto', memoryBytes)).toEqual([])
  expect(worthGathering(kilobytes(...many(1, 8)), 'auto', memoryBytes)).toHaveLength(8)
  expect(worthGathering(kilobytes(...many(1, 8)), 'always', memoryBytes)).toEqual([])
})

test('writes a large one again only when the others have come to weigh as much', () => {
  expect(sizesOf(worthGathering(kilobytes(10_000, ...many(1_000, 8)), 'auto', memoryBytes))).toEqual(many(1_000, 8))
  expect(worthGathering(kilobytes(10_000, ...many(1_000, 10)), 'auto', memoryBytes)).toHaveLength(11)
  // What is small is read sooner than it is looked for.
  expect(worthGathering(kilobytes(50, ...many(1, 8)), 'auto', memoryBytes)).toHaveLength(9)
})

test.each([
  ['have groups of their own', (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0)],
  ['have the same groups', (sizes: readonly number[]) => Math.max(...sizes)],
])('writes each byte a few times at most, in few steps, however often one is added, where files %s', (_, mergedSize) => {
  let found: (DerivedEntry & { readonly steps: number })[] = []
  let written = 0
  let most = 0
  for (let turn = 0; turn < 2_000; turn++) {
    found.push(...kilobytes(100).map((entry) => ({ ...entry, steps: 0 })))
    most = Math.max(most, found.length)
    const gathered = new Set<DerivedEntry>(worthGathering(found, 'auto', Number.POSITIVE_INFINITY))
    if (gathered.size === 0) continue
    const parts = found.filter((entry) => gathered.has(entry))
    const covers = parts.flatMap((entry) => entry.covers)
    const steps = 1 + Math.max(...parts.map((entry) => entry.steps))
    const size = mergedSize(sizesOf(parts))
    written += size
    const made = kilobytes(size).map((entry) => ({ ...entry, covers, steps }))
    found = [...made, ...found.filter((entry) => !gathered.has(entry))]
  }
  expect(written / (2_000 * 100)).toBeLessThan(12)
  expect(most).toBeLessThan(20)
  expect(Math.max(...found.map((entry) => entry.steps))).toBeLessThanOrEqual(10)
})

test('merges no more at once than a node has room for', () => {
  expect(sizesOf(worthGathering(kilobytes(...many(10_000, 9), 50_000), 'auto', 8 * 100e6))).toEqual(many(10_000, 9))
  expect(worthGathering(kilobytes(...many(10_000, 9)), 'auto', 8 * 50e6)).toEqual([])
})
