import type { Column } from '../../model/segment.js'
import { distinctNames } from '../carrier.js'
import { quoteName } from '../quote.js'

/**
 * The SELECT whose rows DuckDB writes as the client's Parquet file. 128-bit integers, which `sum` of integers gives, become
 * DECIMAL(38,0): left alone, DuckDB would write them as DOUBLE and lose digits.
 */
export function parquetSql(sql: string, columns: readonly Column[]): string {
  const names = distinctNames(columns).map(quoteName)
  const inner = columns.map((_, index) => `c${index}`)
  const list = columns.map((column, index) => `${portable(inner[index] ?? '', column.type)} AS ${names[index] ?? ''}`)
  return `SELECT ${list.join(', ')} FROM (${sql}) AS __answer(${inner.join(', ')})`
}

function portable(name: string, type: string): string {
  if (type === 'HUGEINT' || type === 'UHUGEINT') return `CAST(${name} AS DECIMAL(38,0))`
  return /^(UNION|VARIANT|BIT$|BIGNUM)/.test(type) ? `CAST(${name} AS VARCHAR)` : name
}
