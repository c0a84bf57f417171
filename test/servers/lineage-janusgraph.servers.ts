import { expect, it } from 'vitest'
import { JanusGraphConnection } from '../../src/lineage/janusgraph/janusgraph-connection.js'
import { JanusGraphLineageStore } from '../../src/lineage/janusgraph/janusgraph-lineage-store.js'
import { lineageStoreConformance } from '../conformance/lineage-store.js'
import { useServer } from './support.js'

const url = (): string => useServer('janusgraph').urls['gremlin'] ?? ''

lineageStoreConformance('JanusGraph', async () => {
  const store = await JanusGraphLineageStore.open(url())
  await store.clear()
  return { store, reopen: () => JanusGraphLineageStore.open(url()) }
})

// BerkeleyDB, which is under test, has transactions; Cassandra and HBase compare nothing that is not locked.
it('locks the place of a batch: one that was given up and commits late must not be added to the one that came for it', async () => {
  await (await JanusGraphLineageStore.open(url())).close()
  const connection = await JanusGraphConnection.open(url(), process.env)
  const consistency = `def m = graph.openManagement()
    try { m.getConsistency(m.getPropertyKey('forebayOffset')).toString() } finally { m.rollback() }`
  expect(await connection.run(consistency)).toBe('LOCK')
  await connection.close()
})
