import type { StoreConfiguration } from '../lineage/recorder-port.js'
import { storeAddress, withoutPassword } from '../lineage/store-url.js'
import { entryPoint } from '../model/entry-point.js'
import { ForebayError } from '../model/errors.js'

/** A graph that is kept besides SQLite's, with its URL as it may be shown. */
export interface NamedStore extends StoreConfiguration {
  readonly url: string
}

const adapters = [
  { name: 'neo4j', schemes: /^(neo4j|bolt)(\+s|\+ssc)?:/, module: '../lineage/neo4j/neo4j-lineage-store.js' },
  { name: 'janusgraph', schemes: /^gremlin(\+s)?:/, module: '../lineage/janusgraph/janusgraph-lineage-store.js' },
]

/**
 * The stores that the configuration's URLs stand for, named `neo4j`, `janusgraph`, and `neo4j-2` for a second one. `sqlite` is
 * always there and needs no URL. Throws CONFIGURATION_INVALID.
 */
export function lineageStores(urls: readonly string[]): NamedStore[] {
  const stores: NamedStore[] = []
  for (const text of urls) {
    if (text === 'sqlite') continue
    const adapter = adapters.find((candidate) => candidate.schemes.test(text))
    if (adapter === undefined) {
      throw new ForebayError(
        'CONFIGURATION_INVALID',
        `configuration key "lineage": no store is known for "${withoutPassword(text)}"`,
        {
          hint: 'neo4j://, neo4j+s://, bolt://, bolt+s:// and gremlin://host:port are; without the key the embedded one is used alone',
        },
      )
    }
    // Throws where the rest of the address cannot be read; who opens the store reads it again, with its credentials.
    storeAddress(text, '', {})
    const same = stores.filter((store) => store.module.endsWith(adapter.module.slice(2))).length
    const name = same === 0 ? adapter.name : `${adapter.name}-${same + 1}`
    const module = entryPoint(adapter.module, import.meta.url).href
    stores.push({ name, module, options: { url: text }, url: withoutPassword(text) })
  }
  return stores
}

/** The store that a name or a URL stands for. Throws NOT_FOUND. */
export function findStore(stores: readonly NamedStore[], nameOrUrl: string): string {
  if (nameOrUrl === 'sqlite') return nameOrUrl
  const shown = withoutPassword(nameOrUrl)
  const found = stores.find(({ name, url, options }) => name === nameOrUrl || url === shown || options['url'] === nameOrUrl)
  if (found !== undefined) return found.name
  throw new ForebayError('NOT_FOUND', `the server keeps no lineage store "${shown}"`, {
    hint: `it keeps ${['sqlite', ...stores.map((store) => store.name)].join(', ')}; --lineage URL of forebay serve adds another`,
  })
}
