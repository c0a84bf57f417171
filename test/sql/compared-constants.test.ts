import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { quoteText } from '../../src/model/quote.js'
import { type AstObject, printAst } from '../../src/sql/ast-text.js'
import { asBound, fillForm, formOf } from '../../src/sql/compared-constants.js'
import { generateLake } from '../support/generate-lake.js'
import { generateQuery } from '../support/generate-query.js'
import { PlanOracle } from '../support/oracle-plan.js'
import { dataset, openInProcessPlanner } from './in-process-planner.js'

let oracle: PlanOracle

beforeAll(async () => {
  oracle = await PlanOracle.open()
  for (const table of generateLake(0)) {
    await oracle.connection.run(`CREATE TABLE ${table.name} AS ${table.select}`)
    await oracle.declare(table.name)
  }
}, 60_000)
afterAll(() => oracle.close())

async function printed(node: AstObject): Promise<string> {
  const json = printAst({ error: false, statements: [{ node, named_param_map: [] }] })
  const result = await oracle.connection.runAndReadAll(`SELECT json_deserialize_sql(${quoteText(json)}::JSON)`)
  return String(result.getRows()[0]?.[0])
}

describe('generated statements', () => {
  it('are printed by their forms as DuckDB prints them, and bound to the columns that they have', async () => {
    let filled = 0
    let bound = 0
    for (let seed = 0; seed < 200; seed++) {
      const node = await oracle.resolve(generateQuery(seed).sql)
      const { node: form, texts } = formOf(node)
      const text = fillForm(await printed(form), texts)
      const sql = await printed(node)
      if (text !== undefined) expect(text).toBe(sql)
      filled += texts.length > 0 && text !== undefined ? 1 : 0
      const columns = await oracle.describe(sql).catch(() => undefined)
      if (columns === undefined) continue
      const bindingSql = await printed(asBound(node))
      expect(await oracle.describe(bindingSql), sql).toEqual(columns)
      bound += bindingSql === sql ? 0 : 1
    }
    expect(filled).toBeGreaterThan(50)
    expect(bound).toBeGreaterThan(50)
  }, 60_000)
})

describe('constants that DuckDB holds against others', () => {
  const relations = [dataset('t', { a: 'INTEGER', b: 'VARCHAR' })]
  it.each([
    'SELECT a + 5 AS x, count(*) FROM t GROUP BY a + 5 HAVING a + 5 > 3',
    'SELECT a < 5 AS x FROM t GROUP BY a < 5 HAVING a < 5',
    'SELECT DISTINCT a IN (1, 2, 3) FROM t ORDER BY a IN (1, 2, 3)',
    "SELECT DISTINCT (SELECT max(u.a) FROM t u WHERE u.b = 'x') AS m FROM t ORDER BY (SELECT max(u.a) FROM t u WHERE u.b = 'x')",
  ])('stay as they are: %s', async (sql) => {
    const planner = await openInProcessPlanner(relations)
    for (const text of [sql, sql.replaceAll('5', '6').replaceAll("'x'", "'y'")]) {
      expect((await planner.plan(text)).columns.length).toBeGreaterThan(0)
    }
  })
})

describe('a statement whose literals change', () => {
  const relations = [dataset('t', { a: 'INTEGER', b: 'VARCHAR', d: 'DATE', m: 'DECIMAL(10,2)' })]
  const texts = [1, 20, 300].map(
    (n) => `SELECT b, sum(m) AS s FROM t WHERE a BETWEEN ${n} AND ${n * 2} AND d >= DATE '2026-01-0${String(n)[0]}' + ${n}
      AND b LIKE 'it''s ${n}%' AND m < ${n}.50 AND a IN (${n}, 7) GROUP BY b HAVING sum(m) > ${n} ORDER BY s LIMIT ${n}`,
  )

  it('has the plan that a planner makes of it which has seen nothing', async () => {
    const seasoned = await openInProcessPlanner(relations)
    for (const sql of [...texts, ...texts]) {
      const fresh = await openInProcessPlanner(relations)
      expect({ ...(await seasoned.plan(sql)), planMs: 0 }).toEqual({ ...(await fresh.plan(sql)), planMs: 0 })
    }
  })

  it('is refused for what it compares with, whatever was bound before', async () => {
    const planner = await openInProcessPlanner(relations)
    await planner.plan("SELECT a FROM t WHERE d > '2026-01-01'")
    await expect(planner.plan('SELECT a FROM t WHERE d > 5')).rejects.toMatchObject({ code: 'TYPE_MISMATCH' })
  })
})
