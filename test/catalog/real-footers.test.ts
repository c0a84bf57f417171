import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { PlannerPool } from '../../src/sql/planner.js'
import { openPlannerPool } from '../../src/sql/planner-pool.js'
import { DuckdbLake } from './support/duckdb-lake.js'
import { errorOf, openTestCatalog } from './support/open-test-catalog.js'

let lake: DuckdbLake
let planner: PlannerPool
beforeEach(async () => {
  lake = await DuckdbLake.open()
  planner = await openPlannerPool({ planners: 1 })
})
afterEach(async () => {
  await planner.close()
  lake.close()
})

it('makes the same snapshots of footers that the planner process reads', async () => {
  await lake.write(
    't/k=1/a.parquet',
    "SELECT i AS x, 'v' || i AS y, {a: i} AS s, DATE '2024-01-01' + i::INT AS d FROM range(1000) r(i)",
  )
  await lake.write('t/k=2/b.parquet', 'SELECT 1.5::DECIMAL(9,2) AS Z, 7::INT AS X')
  await lake.write('large.parquet', 'SELECT i AS x FROM range(1200000) r(i)')
  writeFileSync(join(lake.data, 'broken.parquet'), 'PAR1nothing')
  const ours = await openTestCatalog(lake)
  const theirs = await openTestCatalog(lake, {
    readFooters: (paths, signal) => planner.readFooters(paths, signal),
    describeFiles: (paths, signal) => planner.describeFiles(paths, signal),
  })
  for (const table of ['t', 'large']) {
    const [expected, found] = [ours.current(table), theirs.current(table)]
    expect(found?.columns).toEqual(expected?.columns)
    expect(found?.segments.map((segment) => [segment.rows, segment.rowRange, segment.columnBytes, segment.partition])).toEqual(
      expected?.segments.map((segment) => [segment.rows, segment.rowRange, segment.columnBytes, segment.partition]),
    )
  }
  expect(theirs.current('t')?.segments[0]?.statistics).toMatchObject({ d: { min: '2024-01-01', max: '2026-09-26', nulls: 0 } })
  expect(theirs.current('large')?.segments.at(-1)?.statistics.x?.max).toBe('1199999')
  expect(errorOf(theirs, 'broken')).toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining('broken.parquet') })
})
