import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { factsOf, segmentMax, segmentTarget } from '../../src/catalog/file-facts.js'
import { snapshotEvent } from '../../src/catalog/snapshot.js'
import { mergeStatistics } from '../../src/catalog/statistics.js'
import type { Footer, FooterColumnChunk } from '../../src/model/catalogue.js'
import { DuckdbLake } from './support/duckdb-lake.js'
import { openTestCatalog } from './support/open-test-catalog.js'

/** A footer with row groups of these sizes and one column. */
function footerOf(groups: readonly { readonly rows: number; readonly bytes: number }[]): Footer {
  const version = { path: '/t.parquet', size: 1, mtimeNs: '1', inode: '1', footerHash: 'f' }
  let row = 0
  const rowGroups = groups.map(({ rows, bytes }) => {
    const columnChunks = [{ name: 'x', min: String(row), max: String(row + rows - 1), nulls: 0, bytes, offset: 4 }]
    row += rows
    return { rows, bytes, columnChunks }
  })
  return { path: version.path, version, columns: [{ name: 'x', type: 'BIGINT' }], rows: row, rowGroups }
}

const group = { rows: 122_880, bytes: 5_000_000 }

describe('a large file', () => {
  it('stays whole up to a bound', () => {
    expect(factsOf(footerOf(Array.from({ length: 8 }, () => group))).ranges).toHaveLength(1)
    expect(factsOf(footerOf([{ rows: segmentMax.rows, bytes: segmentMax.bytes }])).ranges).toHaveLength(1)
  })

  it('stays whole where a column of its own has the name by which DuckDB numbers rows', () => {
    const footer = footerOf(Array.from({ length: 49 }, () => group))
    const columns = [...footer.columns, { name: 'File_Row_Number', type: 'BIGINT' }]
    expect(factsOf({ ...footer, columns }).ranges).toHaveLength(1)
  })

  it('is cut at row groups into ranges of about the target, which cover it without a gap', () => {
    const facts = factsOf(footerOf(Array.from({ length: 49 }, () => group)))
    const rows = facts.ranges.map((range) => range.to - range.from)
    expect(facts.ranges.length).toBe(12)
    expect(Math.max(...rows)).toBeLessThanOrEqual(segmentTarget.rows * 1.2)
    expect(Math.min(...rows)).toBeGreaterThanOrEqual(segmentTarget.rows / 2)
    facts.ranges.forEach((range, index) => {
      expect(range.from).toBe(index === 0 ? 0 : facts.ranges[index - 1]?.to)
      expect(range.statistics.x).toEqual({ min: String(range.from), max: String(range.to - 1), nulls: 0 })
    })
    expect(facts.ranges.at(-1)?.to).toBe(facts.rows)
  })

  it('is cut by bytes too, and one huge row group is one range', () => {
    expect(factsOf(footerOf(Array.from({ length: 4 }, () => ({ rows: 10, bytes: 2 ** 26 })))).ranges).toHaveLength(4)
    expect(factsOf(footerOf([{ rows: 10_000_000, bytes: 2 ** 33 }])).ranges).toHaveLength(1)
    const uneven = factsOf(footerOf([{ rows: 5_000_000, bytes: 1 }, ...Array.from({ length: 3 }, () => group)]))
    expect(uneven.ranges.map((range) => range.to - range.from)).toEqual([5_000_000, 3 * group.rows])
  })
})

describe('statistics of several row groups', () => {
  const merge = (type: string, ...bounds: readonly Partial<FooterColumnChunk>[]) =>
    mergeStatistics(
      type,
      bounds.map((chunk) => ({ rows: 10, chunk: { name: 'x', bytes: 1, offset: 0, ...chunk } })),
    )

  it('compares by type', () => {
    expect(merge('BIGINT', { min: '9', max: '10' }, { min: '-10', max: '9' })).toEqual({ min: '-10', max: '10' })
    expect(merge('DECIMAL(9,2)', { min: '-1.50', max: '9.00' }, { min: '-1.25', max: '10.00' })).toEqual({
      min: '-1.50',
      max: '10.00',
    })
    expect(merge('DOUBLE', { min: '1e-3', max: '5' }, { min: '0.5', max: '1e10' })).toEqual({ min: '1e-3', max: '1e10' })
    expect(merge('VARCHAR', { min: '10', max: '9' }, { min: '8', max: 'é' })).toEqual({ min: '10', max: 'é' })
    expect(merge('BOOLEAN', { min: 'true', max: 'true' }, { min: 'false', max: 'false' })).toEqual({ min: 'false', max: 'true' })
    const times = merge(
      'TIMESTAMP',
      { min: '2020-01-01 00:00:00', max: '2020-01-01 00:00:00.5' },
      { min: '2020-01-01 00:00:00.25', max: '2020-01-01 00:00:00.45' },
    )
    expect(times).toEqual({ min: '2020-01-01 00:00:00', max: '2020-01-01 00:00:00.5' })
  })

  it('gives no bound where one is unknown or cannot be compared', () => {
    expect(merge('BIGINT', { min: '1', max: '2' }, { max: '3' })).toEqual({ max: '3' })
    expect(merge('DATE', { min: '2020-01-01', max: '2020-01-01' }, { min: '0044-03-15 (BC)', max: 'infinity' })).toEqual({})
    expect(merge('UUID', { min: 'a' }, { min: 'b' })).toEqual({})
    expect(merge('DOUBLE', { min: '1', max: 'nan' }, { min: '1', max: '2' })).toEqual({ min: '1' })
  })

  it('passes over row groups that are all null, and sums nulls where all are known', () => {
    expect(merge('BIGINT', { nulls: 10 }, { min: '1', max: '2', nulls: 3 })).toEqual({ min: '1', max: '2', nulls: 13 })
    expect(merge('BIGINT', { nulls: 10 }, { nulls: 10 })).toEqual({ nulls: 20 })
    expect(merge('BIGINT', { min: '1' }, { min: '0', nulls: 1 })).toEqual({ min: '0' })
  })
})

describe('a real file of many row groups', () => {
  let lake: DuckdbLake
  beforeEach(async () => {
    lake = await DuckdbLake.open()
  })
  afterEach(() => lake.close())

  it('has segments whose ranges, rows and bounds are those of the rows in them', async () => {
    await lake.write('t.parquet', 'SELECT i AS x, i::VARCHAR AS y FROM range(1500000) r(i)')
    const snapshot = (await openTestCatalog(lake)).current('t')
    expect(snapshot?.segments.length).toBe(3)
    for (const segment of snapshot?.segments ?? []) {
      const { from, to } = segment.rowRange ?? { from: 0, to: 0 }
      const path = segment.file.path
      const facts = await lake.rows(
        `SELECT count(*), min(x)::VARCHAR, max(x)::VARCHAR FROM read_parquet('${path}') WHERE file_row_number BETWEEN ${from} AND ${to - 1}`,
      )
      expect(facts[0]).toEqual([String(segment.rows), segment.statistics.x?.min, segment.statistics.x?.max])
    }
    expect(new Set(snapshot?.segments.map((segment) => segment.id)).size).toBe(3)
    expect(snapshot?.segments.map((segment) => segment.ordinal)).toEqual([0, 1, 2])
  })

  it('gives the same ids for the same content, and others when anything differs', async () => {
    await lake.write('t/a.parquet', 'SELECT 1 AS x')
    const first = (await openTestCatalog(lake)).current('t')
    expect((await openTestCatalog(lake)).current('t')).toEqual({ ...first, createdAt: expect.any(Number) })
    await lake.write('t/b.parquet', 'SELECT 1 AS x')
    const second = (await openTestCatalog(lake)).current('t')
    expect(second?.segments[0]).toEqual(first?.segments[0])
    expect(second?.segments[1]?.id).not.toBe(first?.segments[0]?.id)
    expect(second?.id).not.toBe(first?.id)
  })

  it('is told to the lineage log by path and version', async () => {
    const path = await lake.write(join('t', 'a.parquet'), 'SELECT 1 AS x')
    const snapshot = (await openTestCatalog(lake)).current('t')
    if (!snapshot) throw new Error('no snapshot')
    const event = snapshotEvent(snapshot, 5)
    expect(event).toMatchObject({ kind: 'snapshot', snapshot: snapshot.id, at: 5, locations: [{ path }] })
    expect(event.segments[0]).toEqual({
      id: snapshot.segments[0]?.id,
      rows: 1,
      bytes: expect.any(Number),
      columnBytes: { x: expect.any(Number) },
    })
  })
})
