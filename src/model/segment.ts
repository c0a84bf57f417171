import { hash } from 'node:crypto'
import type { ByName } from './by-name.js'
import { foldName } from './fold-name.js'

/** `s-…` base, `d-…` derived, `x-…` external. */
export type SegmentId = string
export type SnapshotId = string
export type PackId = string

/** A column as DuckDB names its type, e.g. `DECIMAL(15,2)`, `STRUCT(a INTEGER, b VARCHAR)`. */
export interface Column {
  readonly name: string
  readonly type: string
}

/** Identity of a file's bytes, cheap to check: a task compares size, mtime and inode before and after it reads. */
export interface FileVersion {
  readonly path: string
  readonly size: number
  /** Modification time in nanoseconds, as a decimal string (beyond 2^53). */
  readonly mtimeNs: string
  readonly inode: string
  /** SHA-256 of the Parquet footer, 16 hex digits. */
  readonly footerHash: string
}

/** A file's version as the lineage graph shows it: the same wherever it is told of, since a vertex never changes. */
export function versionText({ size, mtimeNs, inode, footerHash }: FileVersion): string {
  return `${size}-${mtimeNs}-${inode}-${footerHash}`
}

/** Smallest and largest value of a column in a segment, as DuckDB's VARCHAR casts; absent where the file has none. */
export interface ColumnStatistics {
  readonly min?: string
  readonly max?: string
  readonly nulls?: number
}

/** A version of a Parquet file of a dataset, or of a row-group range of a large one. Immutable. */
export interface BaseSegment {
  readonly id: SegmentId
  readonly dataset: string
  /** Place in its snapshot, from 0. */
  readonly ordinal: number
  readonly file: FileVersion
  /** Rows [from, to) of the file where the segment is a range of row groups; absent when it is the whole file. */
  readonly rowRange?: { readonly from: number; readonly to: number }
  readonly rows: number
  /** Compressed bytes of the column chunks. */
  readonly bytes: number
  /** Compressed bytes by column; a column of the dataset that the file does not have (all null) has no entry. */
  readonly columnBytes: ByName<number>
  /** Hive partition values by column, as DuckDB's VARCHAR cast of the column's type; null for `__HIVE_DEFAULT_PARTITION__`. */
  readonly partition: ByName<string | null>
  readonly statistics: ByName<ColumnStatistics>
  /** Equal for files of equal columns and types; only where those of the dataset differ. */
  readonly fileSchema?: string
  /** Columns that the file has in another type than the dataset, so that their values depend on the query's time zone. */
  readonly zoneCasts?: readonly string[]
}

/** What a dataset was at one moment: an ordered list of base segments. A query pins one per dataset. */
export interface Snapshot {
  readonly id: SnapshotId
  readonly dataset: string
  readonly columns: readonly Column[]
  /** Columns that come from `key=value` folders, in DuckDB's order: by the bytes of the keys, not by the path. */
  readonly partitionColumns: readonly string[]
  readonly segments: readonly BaseSegment[]
  /** True where the files' schemas differ, so that reading needs `union_by_name`. */
  readonly mixedSchemas: boolean
  /** Epoch milliseconds. */
  readonly createdAt: number
}

/** Bytes as they stand on disk: derived segments travel as Parquet, or as a DuckDB file where Parquet would lose a type. */
export type Carrier = 'parquet' | 'duckdb'

/** A derived segment whose bytes exist. */
export interface StoredSegment {
  readonly id: SegmentId
  readonly node: string
  readonly path: string
  readonly carrier: Carrier
  readonly columns: readonly Column[]
  readonly rows: number
  readonly bytes: number
  /** CRC-32 of the file, unsigned. */
  readonly crc32: number
}

/** A run of segments × a set of columns in DuckDB's own format: table `pack` with the columns and the ordinal column. */
export interface Pack {
  readonly id: PackId
  readonly path: string
  readonly dataset: string
  readonly columns: readonly string[]
  /** DuckDB types, in the order of `columns`: with other files beside it a column may get another one, and then the pack is of no use. */
  readonly types: readonly string[]
  /** Those of `columns` that have negative zeros, and a form that keeps them. */
  readonly signedColumns: readonly string[]
  /** Name of the column that holds each row's segment ordinal index into `segments`. */
  readonly ordinalColumn: string
  /** Segment ids by the value of the ordinal column. */
  readonly segments: readonly SegmentId[]
  readonly rows: number
  readonly bytes: number
  /** DuckDB storage version that wrote it; a pack of another one is rebuilt. */
  readonly storageVersion: string
  readonly createdAt: number
}

/** A short, stable hash of text parts, in hex. Parts are length-prefixed, so that no two lists collide by joining. */
export function stableHash(parts: readonly string[], digits = 24): string {
  let text = ''
  for (const part of parts) text += `${part.length}:${part}`
  return hash('sha256', text, 'hex').slice(0, digits)
}

/** What besides the parents and the SQL decides the bytes of a derived segment. */
export interface DerivationContext {
  readonly engine: string
  readonly splitter: string
  readonly timeZone: string
  readonly collation: string
  readonly parameterTypes: readonly string[]
}

/**
 * The id of what a transformation makes of its parents: it names content up to SQL equality, so it is the cache key too.
 * `parents` are grouped by relation and sorted by the caller where order does not matter; `sql` carries its literals.
 */
export function derivedSegmentId(parents: readonly string[], sql: string, context: DerivationContext): SegmentId {
  return `d-${stableHash([
    sql,
    context.engine,
    context.splitter,
    context.timeZone,
    context.collation,
    context.parameterTypes.join(','),
    ...parents,
  ])}`
}

/** Column names as a relation can have them: the later of two equal ones gets a number, as DuckDB does it; none is empty. */
export function distinctNames(columns: readonly Column[]): readonly string[] {
  const taken = new Set<string>()
  return columns.map((column) => {
    const wanted = column.name === '' ? 'column' : column.name
    let name = wanted
    for (let count = 1; taken.has(foldName(name)); count++) name = `${wanted}_${count}`
    taken.add(foldName(name))
    return name
  })
}
