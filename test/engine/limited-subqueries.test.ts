import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TreeMode } from '../../src/model/query.js'
import { openUnderTest, type UnderTest } from './engine-under-test.js'

let under: UnderTest

beforeAll(async () => {
  under = await openUnderTest([
    `COPY (SELECT i AS id, i % 1000 AS g FROM range(600000) t(i)) TO '$DATA/facts/part-0.parquet' (ROW_GROUP_SIZE 20000)`,
    `COPY (SELECT i AS g FROM range(990, 993) t(i)) TO '$DATA/dims/part-0.parquet'`,
  ])
}, 120_000)
afterAll(() => under?.close(), 60_000)

const limited = 'SELECT id, g FROM facts ORDER BY id DESC LIMIT 500'

describe.each<TreeMode>(['never', 'always'])('a LIMIT in a subquery, with a tree %s', (tree) => {
  // DuckDB by itself answers by chance: what it joins with filters the rows of which the LIMIT takes the first.
  it.each([
    [`SELECT count(*) FROM (${limited}) s JOIN dims USING (g)`, 3],
    [`WITH s AS (${limited}) SELECT count(*) FROM s JOIN dims USING (g)`, 3],
    [`SELECT count(*) FROM ((${limited}) UNION ALL (${limited})) s JOIN dims USING (g)`, 6],
    [`SELECT count(*) FROM (${limited}) s WHERE g = (SELECT max(g) FROM dims)`, 1],
  ])('takes its rows before they are joined: %s', async (sql, rows) => {
    for (let round = 0; round < 12; round++) {
      const answer = await under.query(sql, { tree, reuse: false })
      expect(answer.rows, `round ${round}`).toEqual([[rows]])
    }
  })
})
