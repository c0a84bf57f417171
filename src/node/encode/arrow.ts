import type { DuckDBType } from '@duckdb/node-api'
import type { ResultEncoder } from './encoder.js'

export function arrowStream(_names: readonly string[], _types: readonly DuckDBType[]): ResultEncoder {
  throw new Error('not yet')
}
