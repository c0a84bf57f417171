import { type ByName, byName, valueOf } from '../model/by-name.js'
import { ForebayError } from '../model/errors.js'
import { foldName } from '../model/fold-name.js'
import type { SnapshotEvent } from '../model/lineage-event.js'
import { type BaseSegment, type Column, type ColumnStatistics, type Snapshot, stableHash, versionText } from '../model/segment.js'
import type { FileFacts, RangeFacts } from './file-facts.js'
import {
  byBytes,
  inferPartitionType,
  type Partitions,
  type PartitionType,
  partitionsOf,
  partitionValue,
} from './hive-partitions.js'
import type { Schema } from './schema.js'
import { keepsBounds } from './statistics.js'

/** One file of a table, where it lies below the table's folder. */
interface TableFile {
  readonly facts: FileFacts
  /** With `/`; decides the partitions and, with the file's version, the segments' ids. */
  readonly relativePath: string
}

/** Everything that a snapshot is made of. */
export interface SnapshotParts {
  readonly dataset: string
  /** In the order of the snapshot. */
  readonly files: readonly TableFile[]
  readonly schema: Schema
  /** False for tables whose paths say nothing. */
  readonly partitioned: boolean
  readonly createdAt: number
  /** Files of our own: where they hold a value as another type, that says its time zone too. */
  readonly written?: true
}

interface PartitionColumn {
  readonly key: string
  readonly name: string
  readonly type: PartitionType
}

/** A snapshot with ids that depend on its content alone. Throws FILES_DISAGREE where files have different partition keys. */
export function makeSnapshot({ dataset, files, schema, partitioned, createdAt, written }: SnapshotParts): Snapshot {
  const partitions = files.map((file) => (partitioned ? partitionsOf(file.relativePath) : new Map<string, string>()))
  refuseMixedKeys(dataset, files, partitions)
  const partitionColumns = partitionColumnsOf(schema.columns, partitions)
  const columns = columnsOf(schema.columns, partitionColumns)
  const segments: BaseSegment[] = []
  files.forEach((file, index) => {
    const partition = byName(
      partitionColumns.map(({ key, name, type }) => [name, partitionValue(partitions[index]?.get(key) ?? 'NULL', type)]),
    )
    const { columns: own } = file.facts
    const ownByName = new Map(own.map((column) => [foldName(column.name), column]))
    const pairs = columns
      .filter(({ name }) => !Object.hasOwn(partition, name))
      .map((column) => [column, ownByName.get(foldName(column.name))] as const)
    const zoneCasts = written === true ? [] : zoneCastsOf(own, schema.columns)
    for (const range of file.facts.ranges) {
      const segment = makeSegment(dataset, segments.length, file, range, pairs, partition)
      segments.push(
        schema.mixed ? { ...segment, fileSchema: schemaOf(own), ...(zoneCasts.length > 0 && { zoneCasts }) } : segment,
      )
    }
  })
  const description = JSON.stringify([dataset, columns, partitionColumns, schema.mixed])
  const id = `v-${stableHash([description, ...segments.map((segment) => segment.id)])}`
  return {
    id,
    dataset,
    columns,
    partitionColumns: partitionColumns.map((column) => column.name),
    segments,
    mixedSchemas: schema.mixed,
    createdAt,
  }
}

/** The news of a snapshot for the lineage log, and when the table came to it: a table may come back to one that it had before. */
export function snapshotEvent(snapshot: Snapshot, atMicros: number): SnapshotEvent {
  return {
    kind: 'snapshot',
    id: `snapshot-${snapshot.id}-${atMicros}`,
    at: atMicros,
    snapshot: snapshot.id,
    dataset: snapshot.dataset,
    segments: snapshot.segments.map(({ id, rows, bytes, columnBytes }) => ({ id, rows, bytes, columnBytes })),
    locations: snapshot.segments.map(({ file }) => ({ path: file.path, version: versionText(file) })),
  }
}

function refuseMixedKeys(dataset: string, files: readonly TableFile[], partitions: readonly Partitions[]): void {
  const keys = (index: number): string => JSON.stringify([...(partitions[index]?.keys() ?? [])])
  const misfit = files.findIndex((_, index) => keys(index) !== keys(0))
  if (misfit < 0) return
  throw new ForebayError(
    'FILES_DISAGREE',
    `files of table "${dataset}" disagree: "${files[misfit]?.facts.version.path}" and "${files[0]?.facts.version.path}" have different key=value folders`,
    { hint: 'every file of a table lies below the same keys' },
  )
}

/** In byte order of the keys; a key that is also a column of the files takes that column's name and replaces its values. */
function partitionColumnsOf(columns: readonly Column[], partitions: readonly Partitions[]): readonly PartitionColumn[] {
  const keys = [...(partitions[0]?.keys() ?? [])].sort(byBytes)
  return keys.map((key) => ({
    key,
    name: columns.find((column) => foldName(column.name) === foldName(key))?.name ?? key,
    type: inferPartitionType(partitions.map((values) => values.get(key) as string)),
  }))
}

function columnsOf(fileColumns: readonly Column[], partitionColumns: readonly PartitionColumn[]): readonly Column[] {
  const partitionTypes = new Map(partitionColumns.map((column) => [column.name, column.type]))
  const columns = fileColumns.map((column) => ({ name: column.name, type: partitionTypes.get(column.name) ?? column.type }))
  const present = new Set(fileColumns.map((column) => column.name))
  return [...columns, ...partitionColumns.filter(({ name }) => !present.has(name)).map(({ name, type }) => ({ name, type }))]
}

function schemaOf(columns: readonly Column[]): string {
  return stableHash(
    columns.map(({ name, type }) => `${foldName(name)} ${type}`),
    8,
  )
}

const hasZone = /WITH TIME ZONE/

function zoneCastsOf(own: readonly Column[], columns: readonly Column[]): readonly string[] {
  const types = new Map(own.map(({ name, type }) => [foldName(name), type]))
  return columns.flatMap(({ name, type }) => {
    const from = types.get(foldName(name)) ?? type
    return from !== type && (hasZone.test(from) || hasZone.test(type)) ? [name] : []
  })
}

function makeSegment(
  dataset: string,
  ordinal: number,
  file: TableFile,
  range: RangeFacts,
  columns: readonly (readonly [column: Column, own: Column | undefined])[],
  partition: ByName<string | null>,
): BaseSegment {
  const { version, ranges } = file.facts
  const whole = ranges.length === 1
  const identity = [dataset, file.relativePath, String(version.size), version.mtimeNs, version.inode, version.footerHash]
  const columnBytes = new Map<string, number>()
  const statistics = new Map<string, ColumnStatistics>()
  for (const [column, own] of columns) {
    // A column that the file does not have has no entry: readers tell by this what to fill with nulls.
    if (own !== undefined) columnBytes.set(column.name, valueOf(range.columnBytes, own.name) ?? 0)
    const known = statisticsOf(own, column, range)
    if (known) statistics.set(column.name, known)
  }
  return {
    id: `s-${stableHash(whole ? identity : [...identity, `${range.from}-${range.to}`])}`,
    dataset,
    ordinal,
    file: version,
    ...(whole ? {} : { rowRange: { from: range.from, to: range.to } }),
    rows: range.to - range.from,
    bytes: range.bytes,
    columnBytes: byName(columnBytes),
    partition,
    statistics: byName(statistics),
  }
}

/** A column that the file does not have is null in all rows; bounds of another type than the table's are not kept. */
function statisticsOf(own: Column | undefined, column: Column, range: RangeFacts): ColumnStatistics | undefined {
  if (own === undefined) return { nulls: range.to - range.from }
  const known = valueOf(range.statistics, own.name)
  if (known === undefined || keepsBounds(own.type, column.type)) return known
  return known.nulls === undefined ? undefined : { nulls: known.nulls }
}
