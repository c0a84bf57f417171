/**
 * What many clients would use instead: DuckDB in one server process behind the same HTTP layer (fastify), one connection for each
 * running query, rows as JSON. Arguments: the folder of tables. Prints its URL.
 */
import fastify from 'fastify'
import { openDuckDB } from './plain-duckdb.mjs'

const duckdb = await openDuckDB(process.argv[2])
const idle = []
const app = fastify()
app.post('/v1/query', async (request) => {
  const connection = idle.pop() ?? (await duckdb.instance.connect())
  try {
    const reader = await connection.runAndReadAll(request.body.sql)
    const columns = reader.columnNames().map((name, index) => ({ name, type: String(reader.columnType(index)) }))
    return { columns, rows: reader.getRowsJson() }
  } finally {
    idle.push(connection)
  }
})
console.log(`ready ${await app.listen({ host: '127.0.0.1', port: 0 })}`)
process.once('SIGTERM', () => process.exit(0))
