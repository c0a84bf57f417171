import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openDuckDB } from './plain-duckdb.mjs'

/** Makes a folder with one table of half a million orders. */
export async function makeOrders(data) {
  mkdirSync(data)
  const writer = await openDuckDB()
  await writer.run(`COPY (SELECT i::INTEGER AS id, (i % 40)::INTEGER AS shop, (i % 1000)::DECIMAL(12,2) AS amount
    FROM range(500000) r(i)) TO '${join(data, 'orders.parquet')}'`)
  writer.close()
}

/** Revenue by shop; another text for each of a thousand rounds. */
export function revenueQuery(round) {
  return `SELECT shop, sum(amount) AS revenue FROM orders WHERE id > ${round % 1_000} GROUP BY shop ORDER BY shop`
}
