import { join } from 'node:path'
import { SqliteLineageStore } from '../../src/lineage/sqlite/sqlite-lineage-store.js'
import { lineageStoreConformance } from '../conformance/lineage-store.js'
import { temporaryFolder } from './lineage-fixtures.js'

lineageStoreConformance('SQLite', async () => {
  const path = join(temporaryFolder(), 'graph.sqlite')
  return { store: SqliteLineageStore.open(path), reopen: async () => SqliteLineageStore.open(path) }
})
