import { JanusGraphLineageStore } from '../../src/lineage/janusgraph/janusgraph-lineage-store.js'
import { lineageStoreConformance } from '../conformance/lineage-store.js'
import { useServer } from './support.js'

const url = (): string => useServer('janusgraph').urls['gremlin'] ?? ''

lineageStoreConformance('JanusGraph', async () => {
  const store = await JanusGraphLineageStore.open(url())
  await store.clear()
  return { store, reopen: () => JanusGraphLineageStore.open(url()) }
})
