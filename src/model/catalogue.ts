import type { ErrorRecord } from './errors.js'
import type { Column, FileVersion, Snapshot, SnapshotId } from './segment.js'

/**
 * What a name in SQL stands for at this moment. The catalogue hands every change to the planners, which know relations by
 * nothing else; a newer definition of a name (compared without regard to case) replaces the older one.
 */
export type RelationDefinition =
  /** `written` by our statements, or else read from the data folder. */
  | { readonly kind: 'dataset'; readonly snapshot: Snapshot; readonly written?: true }
  /** A table that exists but cannot be read: every query on it gets this error. */
  | { readonly kind: 'broken'; readonly name: string; readonly error: ErrorRecord }
  /** `sql` is the SELECT behind `AS`, as the user wrote it. */
  | { readonly kind: 'view'; readonly name: string; readonly sql: string }

/** Whether a table or view can be made under this name: at most 200 characters, no `_` or `.` in front, no slash. */
export function isRelationName(name: string): boolean {
  return name.length >= 1 && name.length <= 200 && !/^[_.]|[/\\\0]/.test(name)
}

/** The name that a definition defines. */
export function relationName(definition: RelationDefinition): string {
  return definition.kind === 'dataset' ? definition.snapshot.dataset : definition.name
}

/** A definition, or the news that a name stands for nothing any more. */
export type RelationChange = RelationDefinition | { readonly kind: 'forgotten'; readonly name: string }

/** One line of the list of tables. */
export interface TableSummary {
  readonly name: string
  /** `discovered` in the data folder (the user's, never written by us), `written` by our statements, `view`, or `broken`. */
  readonly kind: 'discovered' | 'written' | 'view' | 'broken'
  readonly columns: readonly Column[]
  readonly partitionColumns: readonly string[]
  /** Absent for views and broken tables. */
  readonly snapshot?: SnapshotId
  readonly segments: number
  readonly rows: number
  /** Compressed bytes. */
  readonly bytes: number
  /** Epoch milliseconds of the snapshot. */
  readonly createdAt?: number
  /** The SELECT of a view. */
  readonly sql?: string
  /** Why a broken table is broken. */
  readonly error?: ErrorRecord
  /** Something to know about a table that works, e.g. a folder of the same name that is ignored. */
  readonly note?: string
}

/** One column's part of a row group, as the Parquet footer tells it. Nested columns appear as one entry by their top-level name. */
export interface FooterColumnChunk {
  readonly name: string
  /** As DuckDB's VARCHAR cast of the column's type; absent where the file has none, or where it is not to be trusted. */
  readonly min?: string
  readonly max?: string
  readonly nulls?: number
  /** Compressed bytes, all leaves of a nested column together. */
  readonly bytes: number
  /** First byte of the chunk (of its dictionary page, where it has one) in the file. */
  readonly offset: number
}

export interface FooterRowGroup {
  readonly rows: number
  readonly bytes: number
  readonly columnChunks: readonly FooterColumnChunk[]
}

/** The footer of one Parquet file. */
export interface Footer {
  readonly path: string
  /** Of the file as it was before and after the footer was read. */
  readonly version: FileVersion
  /** Of the file alone, without partition columns, in its order. */
  readonly columns: readonly Column[]
  readonly rows: number
  readonly rowGroups: readonly FooterRowGroup[]
}

/** A footer, or why it could not be read (FILE_UNREADABLE, SEGMENT_CHANGED). */
export type FooterResult = Footer | { readonly path: string; readonly error: ErrorRecord }
