import type { FooterColumnChunk, FooterRowGroup } from '../../model/catalogue.js'
import type { Column } from '../../model/segment.js'

/** One line of parquet_metadata(): a leaf column's chunk in one row group. */
export interface ChunkRow {
  readonly file: string
  readonly rowGroup: number
  readonly rows: number
  /** `a`, or `a, b, element` for a leaf of a nested column. */
  readonly path: string
  /** Physical type. */
  readonly type: string
  readonly min: string | null
  readonly max: string | null
  readonly nulls: number | null
  readonly bytes: number
  readonly offset: number
}

/** Types whose smallest and largest values Parquet orders as DuckDB does. INT96 is left out by its physical type. */
const ordered =
  /^(?:U?(?:TINY|SMALL|BIG)INT|U?INTEGER|DECIMAL\(.*\)|FLOAT|DOUBLE|DATE|VARCHAR|TIMESTAMP(?:_S|_MS|_NS| WITH TIME ZONE)?)$/

/** Chunks by row group, leaves of a nested column put together under its name. */
export function rowGroupsOf(chunks: readonly ChunkRow[], columns: readonly Column[]): readonly FooterRowGroup[] {
  const byGroup = groupBy(chunks, (chunk) => chunk.rowGroup)
  const topLevel = topLevelFinder(columns)
  return [...byGroup.values()].map((group) => {
    const byColumn = groupBy(group, (chunk) => topLevel(chunk.path))
    const columnChunks = [...byColumn].map(([name, leaves]) => columnChunk(name, leaves, columns))
    const bytes = columnChunks.reduce((total, chunk) => total + chunk.bytes, 0)
    return { rows: group[0]?.rows ?? 0, bytes, columnChunks }
  })
}

/** A top-level name may itself contain `, `: the longest one that fits is meant. */
function topLevelFinder(columns: readonly Column[]): (path: string) => string {
  const names = columns.map((column) => column.name).sort((a, b) => b.length - a.length)
  const known = new Map<string, string>()
  return (path) => {
    const found = known.get(path) ?? names.find((name) => path === name || path.startsWith(`${name}, `)) ?? path
    known.set(path, found)
    return found
  }
}

function columnChunk(name: string, leaves: readonly ChunkRow[], columns: readonly Column[]): FooterColumnChunk {
  const bytes = leaves.reduce((total, leaf) => total + leaf.bytes, 0)
  const offset = leaves.reduce((first, leaf) => Math.min(first, leaf.offset), Number.MAX_SAFE_INTEGER)
  const [leaf, ...more] = leaves
  const type = columns.find((column) => column.name === name)?.type ?? ''
  if (leaf === undefined || more.length > 0 || leaf.path !== name) return { name, bytes, offset }
  const nulls = leaf.nulls === null ? {} : { nulls: leaf.nulls }
  const trusted = ordered.test(type) && leaf.type !== 'INT96' && leaf.min !== null && leaf.max !== null
  return { name, ...(trusted ? { min: leaf.min as string, max: leaf.max as string } : {}), ...nulls, bytes, offset }
}

/** Map.groupBy, which Node 20 lacks. */
function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
