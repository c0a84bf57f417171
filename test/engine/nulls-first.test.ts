import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TreeMode } from '../../src/model/query.js'
import { openUnderTest, type UnderTest } from './engine-under-test.js'

let under: UnderTest

/** Of several small files DuckDB thinks more rows than there are, and turns joins with them round. */
const dims = [0, 10, 20].map(
  (from) =>
    `COPY (SELECT i AS g, CASE WHEN i = 25 THEN NULL ELSE i * 2 END AS w FROM range(${from}, ${from + 10}) t(i))
     TO '$DATA/dims/part-${from}.parquet'`,
)

beforeAll(async () => {
  under = await openUnderTest([
    `COPY (SELECT i AS id, i % 33 AS g FROM range(600) t(i)) TO '$DATA/facts/part-0.parquet'`,
    ...dims,
  ])
  await under.query('CREATE VIEW joined AS SELECT a.id, a.g, b.w FROM facts a LEFT JOIN dims b USING (g)')
}, 120_000)
afterAll(() => under?.close(), 60_000)

/** The first rows of all in order: a LIMIT would bring the fault to the rows that are expected. */
async function expected(sql: string, rows: number): Promise<readonly unknown[]> {
  const plain = ['facts', 'dims'].reduce((text, name) => {
    const files = `read_parquet('$DATA/${name}/*.parquet', union_by_name = true, hive_partitioning = true)`
    return text.replace(new RegExp(`\\b${name}\\b`, 'g'), files)
  }, sql)
  return (await under.duckdb(plain)).slice(0, rows).map((row) => row.map(asText))
}

function asText(value: unknown): unknown {
  return value === null ? null : String(value)
}

const statements = [
  'SELECT a.id, a.g, b.w FROM facts a LEFT JOIN dims b USING (g) ORDER BY w NULLS FIRST, a.id, a.g',
  'SELECT a.id, a.g, b.w FROM facts a LEFT JOIN dims b USING (g) WHERE a.g < 30 ORDER BY w NULLS FIRST, a.id, a.g',
  'SELECT a.id, a.g, b.w FROM facts a LEFT JOIN dims b USING (g) WHERE a.g < 30 ORDER BY b.w + 0 NULLS FIRST, a.id, a.g',
  'SELECT a.id, a.g, b.w FROM dims b RIGHT JOIN facts a USING (g) WHERE a.g < 30 ORDER BY 3 NULLS FIRST, 1, 2',
  'SELECT b.w, a.id FROM facts a FULL JOIN dims b USING (g) ORDER BY ALL NULLS FIRST',
  'SELECT id AS n, g AS k FROM facts WHERE g < 5 UNION ALL SELECT a.id, b.w FROM facts a LEFT JOIN dims b USING (g) ' +
    'WHERE a.g < 30 ORDER BY k NULLS FIRST, n',
]

describe.each<TreeMode>(['never', 'always'])('the first rows of an outer join, with NULLs first and a tree %s', (tree) => {
  it.each(statements)('are those of DuckDB: %s', async (sql) => {
    for (const rows of [1, 20, 45]) {
      const answer = await under.query(`${sql} LIMIT ${rows}`, { tree, reuse: false })
      expect(answer.rows.map((row) => row.map(asText))).toEqual(await expected(sql, rows))
    }
  })

  it('are those of DuckDB through a view, and for other literals in the same statement', async () => {
    for (const most of [29, 28, 30, 27, 26]) {
      const sql = (from: string) => `SELECT id, g, w FROM ${from} WHERE g < ${most} ORDER BY w NULLS FIRST, id, g`
      const answer = await under.query(`${sql('joined')} LIMIT ${most}`, { tree, reuse: false })
      const from = '(SELECT a.id, a.g, b.w FROM facts a LEFT JOIN dims b USING (g))'
      expect(answer.rows.map((row) => row.map(asText))).toEqual(await expected(sql(from), most))
    }
  })

  it('are those of DuckDB in a subquery', async () => {
    const joined = 'FROM facts a LEFT JOIN dims b USING (g) WHERE a.g < 30'
    const sql = `SELECT id, g FROM facts WHERE id IN (SELECT a.id ${joined} ORDER BY b.w NULLS FIRST, a.id LIMIT 40) ORDER BY id`
    const place = 'row_number() OVER (ORDER BY b.w NULLS FIRST, a.id) AS place'
    const plain = `SELECT id, g FROM facts WHERE id IN (SELECT id FROM (SELECT a.id, ${place} ${joined}) WHERE place <= 40) ORDER BY id`
    const { rows } = await under.query(sql, { tree, reuse: false })
    expect(rows.map((row) => row.map(asText))).toEqual(await expected(plain, 40))
  })
})
