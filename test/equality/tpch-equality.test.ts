import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { difference } from '../support/oracle.js'
import { PlanOracle } from '../support/oracle-plan.js'
import { tpchTables } from './tpch-data.js'

const queries = readFileSync(new URL('./tpch-queries.sql', import.meta.url), 'utf8')
  .split(/^-- Q\d+$/m)
  .slice(1)
  .map((text) => text.trim().replace(/;$/, ''))

let oracle: PlanOracle
const split: string[] = []
const empty: string[] = []

beforeAll(async () => {
  oracle = await PlanOracle.open()
  for (const [name, select] of Object.entries(tpchTables)) {
    await oracle.connection.run(`CREATE TABLE ${name} AS ${select}`)
    await oracle.declare(name)
  }
})
afterAll(() => oracle.close())

it.each(queries.map((sql, index) => [`Q${index + 1}`, sql] as const))('%s answers as the whole does', async (name, sql) => {
  const expected = await oracle.whole(sql)
  if (expected.rows.length === 0) empty.push(name)
  const plan = await oracle.split(sql)
  if (plan.shape === 'whole') {
    if (process.env.FOREBAY_VERBOSE) console.log(name, plan.why)
    return
  }
  split.push(name)
  const actual = await oracle.splitAnswer(plan, { leaves: 7, fanIn: 3 })
  expect(difference(expected, actual, { exactness: [], orderedBy: [], rows: 0, largest: 0 })).toBeUndefined()
})

it('finds all 22, rows for nearly all, and splits what can be split', () => {
  expect(queries).toHaveLength(22)
  expect(empty.length).toBeLessThan(4)
  if (process.env.FOREBAY_VERBOSE) console.log('empty', empty, 'split', split.join(' '))
  expect(split).toEqual(expect.arrayContaining(['Q1', 'Q4', 'Q5', 'Q6', 'Q12', 'Q14', 'Q19']))
})
