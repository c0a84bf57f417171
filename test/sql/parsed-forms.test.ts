import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { beforeAll, expect, it } from 'vitest'
import { quoteText } from '../../src/model/quote.js'
import { type AstObject, parseAst } from '../../src/sql/ast-text.js'
import { child, children } from '../../src/sql/ast-walk.js'
import { ParsedForms } from '../../src/sql/parsed-forms.js'
import { generateQuery } from '../support/generate-query.js'
import { Seeded } from '../support/seeded.js'
import { varied } from '../support/vary-literals.js'

let duckdb: DuckDBConnection

beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create(':memory:')).connect()
})

/** What DuckDB's parser makes of a text; undefined where it makes no tree. */
async function parsed(sql: string): Promise<AstObject | undefined> {
  const [[json] = ['']] = (await duckdb.runAndReadAll(`SELECT json_serialize_sql(${quoteText(sql)}::VARCHAR)`)).getRows()
  return child(children(parseAst(String(json)) as AstObject, 'statements')[0] ?? {}, 'node')
}

/** The tree of each text, from the forms where they know it; and how many they knew. */
async function serve(texts: readonly string[]): Promise<number> {
  const forms = new ParsedForms(100)
  let served = 0
  for (const sql of texts) {
    const tree = await parsed(sql)
    const known = forms.tree(sql)
    if (tree === undefined) {
      expect(known, sql).toBeUndefined()
      continue
    }
    if (known === undefined) forms.learn(sql, tree)
    else {
      expect(known, sql).toEqual(tree)
      served++
    }
  }
  return served
}

it('make the tree that the parser makes, of generated statements', async () => {
  let served = 0
  for (let seed = 0; seed < 150; seed++) {
    const random = new Seeded(seed)
    const { sql } = generateQuery(seed)
    served += await serve([sql, ...Array.from({ length: 7 }, () => varied(sql, random))])
  }
  // Half of the literals of each text change, so that it takes some texts until all are known to be exchangeable.
  expect(served).toBeGreaterThan(100)
}, 60_000)

it.each([
  ['a comparison', (n: number) => `SELECT count(*) FROM t WHERE a < ${n} AND b = 'é${n}' AND c > ${n}.25`],
  ['places behind a text of several bytes', (n: number) => `SELECT 'é' || '${'ü'.repeat(n)}', ${n} FROM t WHERE x = ${n}`],
  ['LIMIT and positions', (n: number) => `SELECT a, b FROM t ORDER BY 1 LIMIT ${n} OFFSET ${n + 1}`],
  ['an interval and a function', (n: number) => `SELECT substr(a, ${n}) FROM t WHERE d > DATE '2026-01-01' + INTERVAL ${n} DAY`],
])('know %s by its form', async (_, text) => {
  expect(await serve([1, 2, 3, 4, 5].map(text))).toBeGreaterThanOrEqual(3)
})

it.each([
  ['a negative number', (n: number) => `SELECT a FROM t WHERE a > -${n}`],
  ['the width of a type', (n: number) => `SELECT a::DECIMAL(${n + 10}, 2) FROM t`],
  ['the name of a field', (n: number) => `SELECT {'f${n}': a} FROM t`],
  ['a prefixed text', (n: number) => `SELECT e'${n}', x'0${n}' FROM t`],
  ['a number with an exponent', (n: number) => `SELECT ${n}e1 FROM t`],
])('leave %s to the parser', async (_, text) => {
  expect(await serve([1, 2, 3, 4].map(text))).toBe(0)
})

it('exchange no literal that has been the same in all texts', async () => {
  const forms = new ParsedForms(10)
  const text = (a: number, b: number): string => `SELECT * FROM t WHERE a = ${a} AND b = ${b}`
  for (const sql of [text(1, 1), text(2, 1)]) forms.learn(sql, (await parsed(sql)) as AstObject)
  expect(forms.tree(text(3, 1))).toEqual(await parsed(text(3, 1)))
  expect(forms.tree(text(3, 2))).toBeUndefined()
})

it('give a tree that may be changed', async () => {
  const forms = new ParsedForms(10)
  const text = (n: number): string => `SELECT a FROM t WHERE a = ${n}`
  for (const sql of [text(1), text(2)]) forms.learn(sql, (await parsed(sql)) as AstObject)
  const tree = forms.tree(text(3)) as AstObject
  tree.select_list = []
  expect(forms.tree(text(3))).toEqual(await parsed(text(3)))
})

it('forget what was used longest ago', async () => {
  const forms = new ParsedForms(1)
  const text = (name: string, n: number): string => `SELECT ${name} FROM t WHERE a = ${n}`
  for (const sql of [text('a', 1), text('a', 2), text('b', 1)]) forms.learn(sql, (await parsed(sql)) as AstObject)
  expect(forms.tree(text('a', 3))).toBeUndefined()
})
