import { Neo4jLineageStore } from '../../src/lineage/neo4j/neo4j-lineage-store.js'
import { lineageStoreConformance } from '../conformance/lineage-store.js'
import { useServer } from './support.js'

for (const { version, url } of [
  { version: '5.26', url: () => useServer('neo4j').urls['bolt'] ?? '' },
  { version: '5.26 over TLS', url: () => useServer('neo4j').urls['tls'] ?? '' },
  { version: '2026', url: () => useServer('neo4j-2026').urls['bolt'] ?? '' },
]) {
  lineageStoreConformance(`Neo4j ${version}`, async () => {
    const store = await Neo4jLineageStore.open(url())
    await store.clear()
    return { store, reopen: () => Neo4jLineageStore.open(url()) }
  })
}
