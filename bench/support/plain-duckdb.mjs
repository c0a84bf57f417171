import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

/** DuckDB in this process over the same folder, one view for each table; `threads` as many as the machine has by default. */
export async function openDuckDB(folder, threads) {
  const instance = await DuckDBInstance.create(':memory:', threads === undefined ? {} : { threads: String(threads) })
  const connection = await instance.connect()
  for (const name of readdirSync(folder).filter((entry) => !/^[._]/.test(entry))) {
    const isFile = name.endsWith('.parquet')
    const table = isFile ? name.slice(0, -'.parquet'.length) : name
    const files = isFile ? join(folder, name) : join(folder, name, '**/*.parquet')
    await connection.run(
      `CREATE VIEW "${table}" AS SELECT * FROM read_parquet('${files}', union_by_name=true, hive_partitioning=true)`,
    )
  }
  return {
    instance,
    connection,
    /** Runs a statement and brings all of its rows into JavaScript's hands. */
    ask: (sql) => connection.runAndReadAll(sql),
    run: (sql) => connection.run(sql),
    close: () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}
