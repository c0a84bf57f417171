import { DuckDBInstance } from '@duckdb/node-api'
import { expect, it } from 'vitest'
import { fromDuckDBError } from '../../src/node/duckdb-error.js'

it.each(["SELECT * FROM read_parquet('/nowhere/d-1.1-7.parquet')", "ATTACH '/nowhere/d-1.1-7.parquet' AS gone (READ_ONLY)"])(
  'calls a derived segment unreadable that was dropped before it was read: %s',
  async (sql) => {
    const connection = await (await DuckDBInstance.create()).connect()
    const thrown = await connection.run(sql).catch((error: unknown) => error)
    const error = fromDuckDBError(thrown, { files: [], derived: ['/nowhere/d-1.1-7.parquet'], packs: [] })
    expect(error.code).toBe('FILE_UNREADABLE')
  },
)
