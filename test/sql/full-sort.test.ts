import { beforeAll, describe, expect, it } from 'vitest'
import { dataset, type InProcessPlanner, openInProcessPlanner, view } from './in-process-planner.js'

let planner: InProcessPlanner
beforeAll(async () => {
  planner = await openInProcessPlanner([
    dataset('facts', { id: 'BIGINT', g: 'INTEGER' }, [{ bytes: 1e9 }, { bytes: 1e9 }]),
    dataset('dims', { g: 'INTEGER', w: 'INTEGER' }),
    view('joined', 'SELECT id, g, w FROM facts LEFT JOIN dims USING (g)'),
  ])
})

const unknown = 'CAST((0 * random()) AS BIGINT)'
const joined = 'SELECT a.id, b.w FROM facts a LEFT JOIN dims b USING (g)'
const wholeOf = async (sql: string): Promise<string> => (await planner.plan(sql)).work.whole.sql
/** How many top-ns of the statement DuckDB makes. */
async function topNs(sql: string): Promise<number> {
  const plan = await planner.session.rows(`EXPLAIN ${await wholeOf(sql)}`)
  return String(plan[0]?.[1]).split('TOP_N').length - 1
}

describe('a constant LIMIT over an outer join', () => {
  it.each([
    `${joined} ORDER BY w NULLS FIRST, id LIMIT 40`,
    `${joined} ORDER BY 2 DESC NULLS FIRST, 1 LIMIT 40 OFFSET 5`,
    `${joined} ORDER BY ALL NULLS FIRST LIMIT 20 + 20`,
    `SELECT b.w FROM dims b RIGHT JOIN facts a USING (g) ORDER BY w NULLS FIRST LIMIT 40`,
    `SELECT b.w FROM dims b FULL JOIN facts a USING (g) ORDER BY w NULLS FIRST LIMIT 40`,
    'SELECT id, w FROM joined ORDER BY w NULLS FIRST LIMIT 40',
    `SELECT id, g FROM facts UNION ALL ${joined} ORDER BY g NULLS FIRST LIMIT 40`,
    `WITH j AS (${joined}) SELECT count(*) FROM (SELECT w FROM j ORDER BY w NULLS FIRST LIMIT 40)`,
    `SELECT g FROM facts WHERE id IN (SELECT id FROM joined ORDER BY w NULLS FIRST LIMIT 40)`,
    `SELECT DISTINCT w FROM joined ORDER BY w NULLS FIRST LIMIT 40`,
  ])('is taken after a full sort where NULLs come first: %s', async (sql) => {
    expect(await wholeOf(sql)).toContain(unknown)
    expect(await topNs(sql)).toBe(0)
  })

  it.each([
    `${joined} ORDER BY w, id LIMIT 40`,
    `${joined} ORDER BY w DESC NULLS LAST LIMIT 40`,
    `${joined} ORDER BY id, w NULLS FIRST LIMIT 40`,
    'SELECT a.id, b.w FROM facts a JOIN dims b USING (g) ORDER BY w NULLS FIRST LIMIT 40',
    'SELECT id FROM facts ORDER BY g NULLS FIRST LIMIT 40',
  ])('is a top-n elsewhere: %s', async (sql) => {
    expect(await wholeOf(sql)).not.toContain(unknown)
    expect(await topNs(sql)).toBe(1)
  })

  it('keeps its OFFSET, and does without one', async () => {
    expect(await wholeOf(`${joined} ORDER BY w NULLS FIRST LIMIT 40 OFFSET 5`)).toMatch(
      / LIMIT 40 OFFSET \(5 \+ CAST\(\(0 \* random\(\)\) AS BIGINT\)\)$/,
    )
    expect(await wholeOf(`${joined} ORDER BY w NULLS FIRST LIMIT 40`)).toMatch(
      / LIMIT 40 OFFSET CAST\(\(0 \* random\(\)\) AS BIGINT\)$/,
    )
    expect(await wholeOf(`${joined} ORDER BY w NULLS FIRST OFFSET 5`)).not.toContain(unknown)
  })

  it('is left as it is in a correlated subquery, which allows no other OFFSET, and not beside it', async () => {
    const inner = 'SELECT w FROM joined WHERE joined.id = a.id ORDER BY w NULLS FIRST LIMIT 1'
    const correlated = `SELECT a.id, b.w, (${inner}) AS first FROM facts a LEFT JOIN dims b USING (g)`
    expect(await wholeOf(correlated)).not.toContain(unknown)
    const both = await wholeOf(`${correlated} ORDER BY b.w NULLS FIRST LIMIT 40`)
    expect(both.split(unknown).length).toBe(2)
    expect(both.endsWith(`OFFSET ${unknown}`)).toBe(true)
  })

  it('is taken so in every leaf too, and nothing else of the plan shows it', async () => {
    const sql = `${joined} ORDER BY 2 NULLS FIRST, 1 LIMIT 40`
    const { work, ...plan } = await planner.plan(sql, { tree: 'always' })
    expect(work).toMatchObject({
      shape: 'split',
      leaf: { sql: expect.stringContaining(unknown) },
      root: { sql: expect.not.stringContaining(unknown) },
      partialRowsMax: 40,
    })
    expect(plan).toMatchObject({ rowsMax: 40, repeatable: true, ordered: true })
    expect(plan.template).not.toContain('random')
    expect(work.whole.operators.at(-1)).toEqual({ type: 'limit', detail: '?' })
  })
})
