import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

/** DuckDB in this process over the same folder, one view for each table; without a folder there is none. As many threads as the machine has. */
export async function openDuckDB(folder) {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const names = folder === undefined ? [] : readdirSync(folder).filter((entry) => !/^[._]/.test(entry))
  for (const name of names) {
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
