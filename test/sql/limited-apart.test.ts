import { beforeAll, describe, expect, it } from 'vitest'
import { dataset, type InProcessPlanner, openInProcessPlanner, view } from './in-process-planner.js'

let planner: InProcessPlanner
beforeAll(async () => {
  planner = await openInProcessPlanner([
    dataset('facts', { id: 'BIGINT', g: 'INTEGER' }, [{ bytes: 1e9 }, { bytes: 1e9 }]),
    dataset('dims', { g: 'INTEGER', w: 'INTEGER' }),
    view('latest', 'SELECT id, g FROM facts ORDER BY id DESC LIMIT 500'),
  ])
})

const limited = 'SELECT id, g FROM facts ORDER BY id DESC LIMIT 500'
const wholeOf = async (sql: string): Promise<string> => (await planner.plan(sql)).work.whole.sql

describe('what a LIMIT cuts off', () => {
  it.each([
    `SELECT count(*) FROM (${limited}) s JOIN dims USING (g)`,
    `SELECT count(*) FROM (SELECT id, g FROM facts LIMIT 5 %) s, dims WHERE s.g = dims.g`,
    `SELECT count(*) FROM (${limited}) s WHERE g IN (SELECT g FROM dims)`,
    `SELECT count(*) FROM (${limited}) s WHERE g = (SELECT max(g) FROM dims)`,
    `SELECT count(*) FROM (SELECT * FROM (${limited}) WHERE id > 5) s JOIN dims USING (g)`,
    `SELECT count(*) FROM ((${limited}) UNION ALL (${limited})) s JOIN dims USING (g)`,
    `WITH s AS (${limited}) SELECT count(*) FROM s JOIN dims USING (g)`,
    'SELECT count(*) FROM latest JOIN dims USING (g)',
    'SELECT d.g, s.id FROM dims d, LATERAL (SELECT f.id FROM facts f WHERE f.g = d.g ORDER BY f.id LIMIT 2) s',
  ])('is computed apart where something is joined or compared with it: %s', async (sql) => {
    expect(await wholeOf(sql)).toContain('AS MATERIALIZED')
  })

  it.each([
    `SELECT count(*) FROM (${limited}) s`,
    'SELECT f.id FROM facts f JOIN dims USING (g) ORDER BY f.id LIMIT 5',
    'SELECT count(*) FROM (SELECT id, g FROM facts ORDER BY id) s JOIN dims USING (g)',
    'SELECT g, (SELECT max(w) FROM dims WHERE dims.g = f.g LIMIT 1) FROM facts f',
  ])('is left in its place elsewhere: %s', async (sql) => {
    expect(await wholeOf(sql)).not.toContain('MATERIALIZED')
  })
})
