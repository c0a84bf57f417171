import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

/**
 * Writes a small data folder: `numbers` (one file of 10,000 rows), `sales` (three files), `by_day` (partitioned by day), `empty`
 * (no rows).
 */
export async function writeSmallLake(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  for (const name of ['sales', 'by_day/day=2026-01-01', 'by_day/day=2026-01-02', 'empty']) {
    mkdirSync(join(folder, name), { recursive: true })
  }
  await copy({
    [join(folder, 'numbers.parquet')]:
      `SELECT i::INTEGER AS i, (i % 10)::INTEGER AS k, 'n' || i AS name, i * 0.5 AS half FROM range(10000) t(i)`,
    [join(folder, 'sales/a.parquet')]: sales(0, 1000),
    [join(folder, 'sales/b.parquet')]: sales(1000, 2000),
    [join(folder, 'sales/c.parquet')]: sales(2000, 2500),
    [join(folder, 'by_day/day=2026-01-01/x.parquet')]: `SELECT i::BIGINT AS v FROM range(100) t(i)`,
    [join(folder, 'by_day/day=2026-01-02/x.parquet')]: `SELECT i::BIGINT AS v FROM range(200) t(i)`,
    [join(folder, 'empty/none.parquet')]: `SELECT 1::INTEGER AS a, 'x' AS b WHERE false`,
  })
}

const sales = (from: number, to: number): string =>
  `SELECT i::BIGINT AS id, ['north', 'south', 'east'][i % 3 + 1] AS region, (i % 97)::DECIMAL(10,2) AS amount,
   DATE '2026-01-01' + (i % 30)::INTEGER AS day FROM range(${from}, ${to}) t(i)`

/** Writes the rows of some statements to Parquet files, with plain DuckDB. */
export async function copy(files: Readonly<Record<string, string>>): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  for (const [file, sql] of Object.entries(files)) {
    await connection.run(`COPY (${sql}) TO '${file.replaceAll("'", "''")}' (FORMAT parquet)`)
  }
  connection.closeSync()
  instance.closeSync()
}
