import { type Catalog, type CatalogOptions, openCatalog } from '../../../src/catalog/catalog.js'
import { memoryKeyValue } from '../../../src/catalog/key-value.js'
import type { ErrorRecord } from '../../../src/model/errors.js'
import type { DatasetRead } from '../../../src/model/query.js'
import { VirtualClock } from '../../../src/model/virtual-clock.js'
import type { DuckdbLake } from './duckdb-lake.js'

/** A catalogue over a lake, with nothing shared but what the options name. */
export function openTestCatalog(lake: DuckdbLake, options: Partial<CatalogOptions> = {}): Promise<Catalog> {
  return openCatalog({
    dataFolder: lake.data,
    stateFolder: lake.state,
    readFooters: lake.readFooters,
    describeFiles: lake.describeFiles,
    keyValue: memoryKeyValue(),
    clock: new VirtualClock(1_700_000_000_000),
    onError: (error) => {
      throw error
    },
    ...options,
  })
}

/** What a plan that reads all of a table says. */
export function readAll(catalog: Catalog, table: string): DatasetRead {
  const snapshot = catalog.current(table)
  if (!snapshot) throw new Error(`no snapshot of ${table}: ${catalog.table(table)?.error?.message}`)
  const { columns, segments, id } = snapshot
  const ordinals = segments.map((segment) => segment.ordinal)
  const total = segments.length
  return { relation: '__fb0', dataset: table, snapshot: id, columns, segments: ordinals, segmentsTotal: total, prunedBy: [] }
}

/** The error of a table that is broken. */
export function errorOf(catalog: Catalog, table: string): ErrorRecord | undefined {
  return catalog.table(table)?.error
}
