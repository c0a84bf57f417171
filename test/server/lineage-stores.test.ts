import { expect, it } from 'vitest'
import { findStore, lineageStores } from '../../src/server/lineage-stores.js'

it('finds a store by its name and its address, and says which there are and how to add one', () => {
  const stores = lineageStores(['neo4j://127.0.0.1:7687'])
  expect([findStore(stores, 'sqlite'), findStore(stores, 'neo4j://127.0.0.1:7687')]).toEqual(['sqlite', 'neo4j'])
  expect(() => findStore(stores, 'embedded')).toThrow(
    expect.objectContaining({
      code: 'NOT_FOUND',
      hint: 'it keeps sqlite, neo4j; --lineage URL of forebay serve adds another',
    }),
  )
})
