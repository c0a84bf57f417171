import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openUnderTest, type UnderTest } from './engine-under-test.js'

let under: UnderTest

beforeAll(async () => {
  under = await openUnderTest([
    `COPY (SELECT i AS id, i % 7 AS k, (i * 3) % 100 AS v, 'name ' || i AS name FROM range(10000) t(i)) TO '$DATA/numbers.parquet'`,
  ])
}, 120_000)
afterAll(() => under?.close(), 60_000)

describe('one query', () => {
  it('answers without a table', async () => {
    const { rows, status } = await under.query('SELECT 1 + 1 AS two')
    expect(rows).toEqual([[2]])
    expect(status.state).toBe('finished')
    expect(status.actual?.rows).toBe(1)
  })

  it('reads a table', async () => {
    const { rows } = await under.query('SELECT k, sum(v) AS s, count(*) AS n FROM numbers GROUP BY k ORDER BY k')
    const expected = await under.duckdb(
      `SELECT k, sum(v)::BIGINT, count(*) FROM read_parquet('$DATA/numbers.parquet') GROUP BY k ORDER BY k`,
    )
    expect(rows.map((row) => row.map(String))).toEqual(expected.map((row) => row.map(String)))
  })
})
