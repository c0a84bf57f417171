import { expect, it } from 'vitest'
import { importFormatOf } from '../../src/model/import-format.js'

it.each([
  ['a.csv', 'csv'],
  ['b.TSV', 'csv'],
  ['b.txt', 'csv'],
  ['c.csv.gz', 'csv'],
  ['d.ndjson', 'json'],
  ['e.json', 'json'],
  ['f.jsonl.gz', 'json'],
  ['g.parquet', 'parquet'],
  ['h.xlsx', undefined],
  ['i.gz', undefined],
  ['csv', undefined],
])('the format of %s is %s', (name, format) => {
  expect(importFormatOf(name)).toBe(format)
})
