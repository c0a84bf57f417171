/**
 * Child process that writes the sample lake: DuckDB never runs in the process of a server. Arguments: the folder, the
 * first day, the number of days that are in the lake from the beginning, and the number that arrive later.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

const ordersPerDay = 100_000
const [folder = '', firstDay = '', presentDays = '0', laterDays = '0'] = process.argv.slice(2)

const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
const connection = await instance.connect()
const quoted = (path: string): string => `'${path.replaceAll("'", "''")}'`

mkdirSync(join(folder, 'orders'), { recursive: true })
mkdirSync(join(folder, '_incoming'), { recursive: true })
await connection.run(`COPY (SELECT i::INTEGER AS customer_id, 'customer ' || i AS name,
    ['north', 'south', 'east', 'west'][1 + i % 4] AS region, ['home', 'office', 'corporate'][1 + i % 3] AS segment
  FROM range(50000) r(i)) TO ${quoted(join(folder, 'customers.parquet'))}`)
await connection.run(`COPY (SELECT i::INTEGER AS product_id, 'product ' || i AS name, 'category ' || (i % 25) AS category,
    (5 + i % 200)::DECIMAL(10,2) AS price FROM range(2000) r(i)) TO ${quoted(join(folder, 'products.parquet'))}`)

for (let index = 0; index < Number(presentDays) + Number(laterDays); index++) {
  const day = new Date(Date.parse(firstDay) + index * 86_400_000).toISOString().slice(0, 10)
  const present = index < Number(presentDays)
  const target = join(folder, present ? 'orders' : '_incoming', `day=${day}`)
  mkdirSync(target, { recursive: true })
  await connection.run(`COPY (SELECT (${index}::BIGINT * ${ordersPerDay} + i) AS order_id,
      (hash(i * 7 + ${index}) % 50000)::INTEGER AS customer_id, (hash(i * 13 + ${index}) % 2000)::INTEGER AS product_id,
      ['web', 'shop', 'phone', 'partner'][1 + (hash(i + ${index}) % 4)::INTEGER] AS channel,
      (1 + hash(i * 3 + ${index}) % 5)::INTEGER AS quantity,
      (1 + (hash(i * 5 + ${index}) % 49900) / 100.0)::DECIMAL(12,2) AS amount,
      (hash(i * 11 + ${index}) % 30) / 100.0 AS discount,
      TIMESTAMP '${day}' + to_seconds((hash(i * 17 + ${index}) % 86400)::BIGINT) AS ordered_at
    FROM range(${ordersPerDay}) r(i)) TO ${quoted(join(target, 'orders.parquet'))}`)
}
connection.closeSync()
instance.closeSync()
