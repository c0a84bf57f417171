import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

/** Plain DuckDB over the same files: what every answer has to equal. */
export class Oracle {
  static async open(threads = 1) {
    const oracle = new Oracle()
    oracle.instance = await DuckDBInstance.create(':memory:', { threads: String(threads) })
    oracle.connection = await oracle.instance.connect()
    await oracle.run("SET TimeZone = 'UTC'")
    return oracle
  }

  run(sql) {
    return this.connection.run(sql)
  }

  /** The rows of a statement as a text that does not hang on their order. */
  async answer(sql) {
    return rowsText((await this.connection.runAndReadAll(sql)).getRowsJson())
  }

  async view(name, files) {
    await this.run(
      `CREATE OR REPLACE VIEW ${name} AS SELECT * FROM read_parquet('${files}', union_by_name = true, hive_partitioning = true)`,
    )
  }

  close() {
    this.connection.closeSync()
    this.instance.closeSync()
  }
}

/** Rows as text, sorted: numbers and strings of the same value are the same. */
export function rowsText(rows) {
  return rows
    .map((row) =>
      JSON.stringify(
        row.map((value) => (value === null ? null : typeof value === 'object' ? JSON.stringify(value) : String(value))),
      ),
    )
    .sort()
    .join('\n')
}

/** Writes `facts` (files × rows) and `dims` (1,000 rows) to a data folder, and knows them in the oracle. */
export async function writeLake(oracle, data, { files = 12, rows = 25_000 } = {}) {
  mkdirSync(join(data, 'facts'), { recursive: true })
  for (let file = 0; file < files; file++) {
    const from = file * rows
    await oracle.run(`COPY (SELECT i AS id, (hash(i) % 1000)::INTEGER AS k, (hash(i + 7) % 20)::INTEGER AS g,
      ((hash(i * 3) % 100000) / 100)::DECIMAL(12,2) AS amount, 'text ' || (hash(i) % 5000) AS label,
      DATE '2026-01-01' + (i % 365)::INTEGER AS day FROM range(${from}, ${from + rows}) t(i))
      TO '${join(data, 'facts', `part-${String(file).padStart(2, '0')}.parquet`)}' (FORMAT parquet, ROW_GROUP_SIZE 10000)`)
  }
  await oracle.run(`COPY (SELECT i::INTEGER AS k, 'dim ' || (i % 50) AS name, i * i AS weight FROM range(1000) t(i))
    TO '${join(data, 'dims.parquet')}' (FORMAT parquet)`)
  await oracle.view('facts', join(data, 'facts/*.parquet'))
  await oracle.view('dims', join(data, 'dims.parquet'))
}

const shapes = [
  (r) => `SELECT count(*) AS n, sum(amount) AS s FROM facts WHERE k < ${r.below(1000)}`,
  (r) => `SELECT g, count(*) AS n, sum(amount) AS s, min(day) AS d FROM facts WHERE k <> ${r.below(1000)} GROUP BY g`,
  (r) => `SELECT k, sum(amount) AS s FROM facts WHERE g = ${r.below(20)} GROUP BY k ORDER BY s DESC, k LIMIT ${1 + r.below(20)}`,
  (r) =>
    `SELECT name, count(*) AS n, max(amount) AS m FROM facts JOIN dims USING (k) WHERE g IN (${r.below(20)}, ${r.below(20)}) GROUP BY name`,
  (r) =>
    `SELECT label, count(*) AS n FROM facts WHERE k BETWEEN ${r.below(500)} AND ${500 + r.below(500)} GROUP BY label HAVING count(*) > ${20 + r.below(20)}`,
  (r) => `SELECT count(DISTINCT k) AS n FROM facts WHERE day > DATE '2026-01-01' + ${r.below(365)}::INTEGER`,
  (r) => `SELECT id, k, amount FROM facts WHERE id % ${5_000 + r.below(5_000)} = 3`,
  (r) => `WITH t AS (SELECT k, avg(amount) AS a FROM facts GROUP BY k) SELECT count(*) AS n FROM t WHERE a > ${r.below(1000)}`,
  (r) => `SELECT k, weight FROM dims WHERE k = ${r.below(1000)}`,
]

/** Statements over the lake whose answers do not hang on chance. */
export function makeStatements(random, count) {
  return Array.from({ length: count }, (_, index) => shapes[index % shapes.length](random))
}
