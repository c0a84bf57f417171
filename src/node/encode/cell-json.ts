import {
  type DuckDBArrayType,
  type DuckDBArrayVector,
  DuckDBBitValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBIntervalValue,
  type DuckDBListType,
  type DuckDBListVector,
  type DuckDBMapType,
  type DuckDBStructType,
  type DuckDBStructVector,
  DuckDBTimeNSValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeTZValue,
  DuckDBTimeValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBUnionType,
  type DuckDBValue,
  DuckDBVariantValue,
  type DuckDBVector,
} from '@duckdb/node-api'
import {
  dateText,
  decimalText,
  doubleText,
  floatText,
  intervalText,
  notFiniteText,
  offsetText,
  timestampText,
  timeText,
} from './value-text.js'
import { arrayEntries, listEntries, mapEntries, unionMembers } from './vector-access.js'

/** JSON text of one row of a vector; `null` for NULL. */
export type CellJson = (vector: DuckDBVector, row: number) => string

/** The JSON of any type, nested ones too. Complete rather than fast: the frequent types have writers of their own. */
export function cellJson(type: DuckDBType): CellJson {
  switch (type.typeId) {
    case DuckDBTypeId.LIST:
      return listJson(type as DuckDBListType)
    case DuckDBTypeId.ARRAY:
      return arrayJson(type as DuckDBArrayType)
    case DuckDBTypeId.STRUCT:
      return structJson(type as DuckDBStructType)
    case DuckDBTypeId.MAP:
      return mapJson(type as DuckDBMapType)
    case DuckDBTypeId.UNION:
      return unionJson(type as DuckDBUnionType)
    default:
      return (vector, row) => valueJson(vector.getItem(row), type)
  }
}

/** Plain text of a scalar, as CSV writes it: JSON's strings without their quotes. */
export function valueText(value: DuckDBValue, type: DuckDBType): string {
  const json = valueJson(value, type)
  return json.startsWith('"') ? (JSON.parse(json) as string) : json
}

/** JSON of one value that DuckDB's API has made. */
function valueJson(value: DuckDBValue, type: DuckDBType): string {
  if (value === null || value === undefined) return 'null'
  switch (typeof value) {
    case 'boolean':
      return String(value)
    case 'number':
      return numberJson(value, type.typeId)
    case 'bigint':
      return bigintJson(value, type.typeId)
    case 'string':
      return JSON.stringify(value)
    default:
      return JSON.stringify(objectText(value))
  }
}

function numberJson(value: number, typeId: DuckDBTypeId): string {
  if (!Number.isFinite(value)) return `"${notFiniteText(value)}"`
  return typeId === DuckDBTypeId.FLOAT ? floatText(value) : doubleText(value)
}

/** 64-bit integers are numbers up to 2^53, where a double still holds each of them; wider types are always strings. */
function bigintJson(value: bigint, typeId: DuckDBTypeId): string {
  const narrow = typeId === DuckDBTypeId.BIGINT || typeId === DuckDBTypeId.UBIGINT
  return narrow && value <= 9_007_199_254_740_992n && value >= -9_007_199_254_740_992n ? String(value) : `"${value}"`
}

function objectText(value: object): string {
  if (value instanceof DuckDBDecimalValue) return decimalText(value.value, value.scale)
  if (value instanceof DuckDBDateValue) return dateText(value.days)
  if (value instanceof DuckDBTimestampValue) return timestampText(value.micros, 1_000_000n)
  if (value instanceof DuckDBTimestampTZValue) return zoned(timestampText(value.micros, 1_000_000n))
  if (value instanceof DuckDBTimestampSecondsValue) return timestampText(value.seconds, 1n)
  if (value instanceof DuckDBTimestampMillisecondsValue) return timestampText(value.millis, 1000n)
  if (value instanceof DuckDBTimestampNanosecondsValue) return timestampText(value.nanos, 1_000_000_000n)
  if (value instanceof DuckDBTimeValue) return timeText(value.micros, 1_000_000n)
  if (value instanceof DuckDBTimeNSValue) return timeText(value.nanos, 1_000_000_000n)
  if (value instanceof DuckDBTimeTZValue) return `${timeText(value.micros, 1_000_000n)}${offsetText(value.offset)}`
  if (value instanceof DuckDBIntervalValue) return intervalText(value.months, value.days, value.micros)
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64')
  if (value instanceof DuckDBBitValue) return value.toString()
  if (value instanceof DuckDBVariantValue) return value.toString()
  return String(value)
}

function zoned(text: string): string {
  return text.endsWith('infinity') ? text : `${text}Z`
}

function listJson(type: DuckDBListType): CellJson {
  const entry = cellJson(type.valueType)
  return (vector, row) => {
    if (vector.getItem(row) === null) return 'null'
    const list = vector as DuckDBListVector
    return sequenceJson(listEntries(list), list.getEntryOffset(row), list.getEntryLength(row), entry)
  }
}

function arrayJson(type: DuckDBArrayType): CellJson {
  const entry = cellJson(type.valueType)
  return (vector, row) =>
    vector.getItem(row) === null
      ? 'null'
      : sequenceJson(arrayEntries(vector as DuckDBArrayVector), row * type.length, type.length, entry)
}

/** A struct is an object; one without names, as `row(1, 2)` makes it, a list. */
function structJson(type: DuckDBStructType): CellJson {
  const entries = type.entryTypes.map(cellJson)
  const named = type.entryNames.some((name) => name !== '')
  const keys = type.entryNames.map((name) => (named ? `${JSON.stringify(name)}:` : ''))
  return (vector, row) => {
    const struct = vector as DuckDBStructVector
    if (!struct.isItemValid(row)) return 'null'
    const parts = entries.map((entry, index) => `${keys[index] ?? ''}${entry(struct.entryVectorAt(index), row)}`)
    return named ? `{${parts.join(',')}}` : `[${parts.join(',')}]`
  }
}

function mapJson(type: DuckDBMapType): CellJson {
  const key = cellJson(type.keyType)
  const value = cellJson(type.valueType)
  const pair: CellJson = (vector, row) => {
    const struct = vector as DuckDBStructVector
    return `[${key(struct.entryVectorAt(0), row)},${value(struct.entryVectorAt(1), row)}]`
  }
  return (vector, row) => {
    const list = mapEntries(vector)
    if (list.getItem(row) === null) return 'null'
    return sequenceJson(listEntries(list), list.getEntryOffset(row), list.getEntryLength(row), pair)
  }
}

/** A union is an object with the one member that it has now. */
function unionJson(type: DuckDBUnionType): CellJson {
  const members = type.memberTypes.map(cellJson)
  return (vector, row) => {
    const struct = unionMembers(vector)
    if (!struct.isItemValid(row)) return 'null'
    const tag = struct.entryVectorAt(0).getItem(row)
    const member = typeof tag === 'number' ? members[tag] : undefined
    if (typeof tag !== 'number' || member === undefined) return 'null'
    return `{${JSON.stringify(type.memberTags[tag])}:${member(struct.entryVectorAt(tag + 1), row)}}`
  }
}

function sequenceJson(vector: DuckDBVector, offset: number, length: number, entry: CellJson): string {
  const parts: string[] = []
  for (let at = offset; at < offset + length; at++) parts.push(entry(vector, at))
  return `[${parts.join(',')}]`
}
