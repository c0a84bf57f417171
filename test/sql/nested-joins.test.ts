import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DuckDBSession } from '../../src/sql/duckdb-session.js'
import { nestJoins } from '../../src/sql/resolve/nested-joins.js'

let session: DuckDBSession
let plain: DuckDBConnection

/** Tables of one column `x` and one of their own; `e` has no rows. */
const tables = ['a', 'b', 'c', 'd', 'e'] as const
beforeAll(async () => {
  session = await DuckDBSession.open()
  plain = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
  for (const [index, table] of tables.entries()) {
    const rows = table === 'e' ? 0 : index + 2
    await plain.run(`CREATE TABLE ${table} AS SELECT i AS x, i * ${index + 1} AS ${table}1 FROM range(${rows}) t(i)`)
  }
})
afterAll(() => plain.closeSync())

async function rowsOf(sql: string): Promise<readonly unknown[] | undefined> {
  const answer = await plain.runAndReadAll(sql).catch(() => undefined)
  return (
    answer && [
      answer.deduplicatedColumnNames(),
      ...answer
        .getRowsJson()
        .map((row) => JSON.stringify(row))
        .toSorted(),
    ]
  )
}

async function printed(sql: string): Promise<string> {
  const tree = await session.parse(sql)
  nestJoins(tree, () => undefined)
  return (await session.print([tree]))[0] ?? ''
}

describe('joins within joins', () => {
  it.each([
    'SELECT count(*) FROM a CROSS JOIN b RIGHT JOIN (VALUES (1), (77)) v(h) ON b.x = v.h',
    'SELECT count(*) FROM a CROSS JOIN b FULL JOIN c ON b.x = c1',
    'SELECT count(*) FROM e CROSS JOIN b RIGHT JOIN c ON b.x = c1',
    'SELECT count(*) FROM a p CROSS JOIN b LEFT JOIN c ON c1 = b.x AND c.x = p.x',
    'SELECT count(*) FROM a LEFT JOIN (b CROSS JOIN c) ON a.x = b.x',
    'SELECT x, count(*) FROM a CROSS JOIN (SELECT b1 FROM b) JOIN c USING (x) GROUP BY x',
    'SELECT count(*) FROM a, LATERAL (SELECT a.x + 1 AS y) LEFT JOIN b ON y = b.x',
    'SELECT count(*) FROM a p CROSS JOIN unnest([p.x, 1]) u(v) LEFT JOIN b ON v = b.x',
  ])('mean what they meant: %s', async (sql) => {
    const expected = await rowsOf(sql)
    expect(expected).toBeDefined()
    expect(await rowsOf(await printed(sql))).toEqual(expected)
  })

  it.each(['NATURAL', 'POSITIONAL'])('are refused where no text would do: %s', async (kind) => {
    const refused = expect.objectContaining({ code: 'NOT_SUPPORTED', message: expect.stringContaining(kind) })
    await expect(printed(`SELECT count(*) FROM a ${kind} JOIN (b JOIN c ON b.x = c.x)`)).rejects.toEqual(refused)
  })

  it('mean what they meant, however they are nested', async () => {
    const leaf = fc.constantFrom(...tables)
    const { from } = fc.letrec<{ from: string }>((tie) => ({
      from: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc
          .tuple(
            tie('from'),
            fc.constantFrom('CROSS', 'NATURAL', 'POSITIONAL', 'USING', 'INNER', 'LEFT', 'RIGHT', 'FULL', 'SEMI'),
            tie('from'),
          )
          .map(([left, kind, right]) => {
            const [first, second] = [left, right].map((side) => (side.includes(' ') ? `(${side})` : side))
            if (kind === 'USING') return `${first} JOIN ${second} USING (x)`
            if (kind === 'CROSS' || kind === 'NATURAL' || kind === 'POSITIONAL') return `${first} ${kind} JOIN ${second}`
            const columnOf = (side: string): string => `${/[a-e]/.exec(side.replaceAll(/[A-Z()]/g, ''))?.[0]}1`
            return `${first} ${kind} JOIN ${second} ON ${columnOf(left)} >= ${columnOf(right)}`
          }),
      ),
    }))
    let compared = 0
    const property = fc.asyncProperty(from, async (joins) => {
      const sql = `SELECT * FROM ${joins}`
      const expected = await rowsOf(sql)
      const text = expected && (await printed(sql).catch(() => undefined))
      if (expected === undefined || text === undefined) return
      compared++
      expect(await rowsOf(text)).toEqual(expected)
    })
    await fc.assert(property, { numRuns: 1_500, seed: 20_261_129 })
    expect(compared).toBeGreaterThan(300)
  })
})
