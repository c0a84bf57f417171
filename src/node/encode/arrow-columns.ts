/**
 * Columns of Arrow record batches, gathered from DuckDB's vectors. Both lay out most types alike, so the bytes are copied as they
 * are. What Arrow has no type for goes as Utf8: 128-bit integers, UUID, ENUM, BIT, BIGNUM, TIME WITH TIME ZONE, INTERVAL (as
 * ISO 8601 duration), UNION and VARIANT (as JSON), all in the texts that the JSON format gives them.
 */
import {
  type DuckDBArrayType,
  type DuckDBArrayVector,
  type DuckDBDecimalType,
  type DuckDBListType,
  type DuckDBListVector,
  type DuckDBMapType,
  type DuckDBStructType,
  type DuckDBStructVector,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBVector,
} from '@duckdb/node-api'
import {
  Binary,
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  Map_,
  makeData,
  Null,
  Struct,
  TimeMicrosecond,
  TimeNanosecond,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow'
import { Bits } from './bits.js'
import { ByteWriter } from './byte-writer.js'
import { cellJson, valueText } from './cell-json.js'
import { loadStrings, type Strings } from './strings.js'
import { arrayEntries, listEntries, mapEntries, vectorBytes, vectorValidity } from './vector-access.js'

/** Gathers one column: `load` a vector, `append` some of its rows, `take` what was gathered. */
export interface ArrowColumn {
  readonly type: DataType
  load(vector: DuckDBVector, rows: number): void
  append(from: number, to: number): void
  /** What was gathered of values, about. */
  bytes(): number
  take(): Data
}

const fixedTypes = new Map<DuckDBTypeId, readonly [width: number, type: () => DataType]>([
  [DuckDBTypeId.TINYINT, [1, () => new Int8()]],
  [DuckDBTypeId.UTINYINT, [1, () => new Uint8()]],
  [DuckDBTypeId.SMALLINT, [2, () => new Int16()]],
  [DuckDBTypeId.USMALLINT, [2, () => new Uint16()]],
  [DuckDBTypeId.INTEGER, [4, () => new Int32()]],
  [DuckDBTypeId.UINTEGER, [4, () => new Uint32()]],
  [DuckDBTypeId.BIGINT, [8, () => new Int64()]],
  [DuckDBTypeId.UBIGINT, [8, () => new Uint64()]],
  [DuckDBTypeId.FLOAT, [4, () => new Float32()]],
  [DuckDBTypeId.DOUBLE, [8, () => new Float64()]],
  [DuckDBTypeId.DATE, [4, () => new DateDay()]],
  [DuckDBTypeId.TIME, [8, () => new TimeMicrosecond()]],
  [DuckDBTypeId.TIME_NS, [8, () => new TimeNanosecond()]],
  [DuckDBTypeId.TIMESTAMP, [8, () => new TimestampMicrosecond()]],
  [DuckDBTypeId.TIMESTAMP_S, [8, () => new TimestampSecond()]],
  [DuckDBTypeId.TIMESTAMP_MS, [8, () => new TimestampMillisecond()]],
  [DuckDBTypeId.TIMESTAMP_NS, [8, () => new TimestampNanosecond()]],
  [DuckDBTypeId.TIMESTAMP_TZ, [8, () => new TimestampMicrosecond('UTC')]],
])

/** The Arrow column of a DuckDB type. */
export function arrowColumn(type: DuckDBType): ArrowColumn {
  const fixed = fixedTypes.get(type.typeId)
  if (fixed !== undefined) return fixedColumn(fixed[1](), fixed[0])
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return booleanColumn()
    case DuckDBTypeId.DECIMAL:
      return decimalColumn(type as DuckDBDecimalType)
    case DuckDBTypeId.VARCHAR:
      return bytesColumn(new Utf8())
    case DuckDBTypeId.BLOB:
      return bytesColumn(new Binary())
    case DuckDBTypeId.SQLNULL:
      return nullColumn()
    case DuckDBTypeId.LIST:
      return listColumn(type as DuckDBListType)
    case DuckDBTypeId.ARRAY:
      return arrayColumn(type as DuckDBArrayType)
    case DuckDBTypeId.STRUCT:
      return structColumn(type as DuckDBStructType)
    case DuckDBTypeId.MAP:
      return mapColumn(type as DuckDBMapType)
    default:
      return textColumn(type)
  }
}

/** What every column shares: which rows are there. */
function nulls(bits: Bits): { length: number; nullCount: number; nullBitmap?: Uint8Array } {
  const { length, zeros } = bits
  const nullBitmap = bits.take()
  return zeros === 0 ? { length, nullCount: 0 } : { length, nullCount: zeros, nullBitmap }
}

function fixedColumn(type: DataType, width: number): ArrowColumn {
  const bits = new Bits()
  const out = new ByteWriter()
  let bytes: Uint8Array = new Uint8Array(0)
  let validity: Uint8Array | undefined
  return {
    type,
    load: (vector) => {
      bytes = vectorBytes(vector)
      validity = vectorValidity(vector)
    },
    append: (from, to) => {
      bits.append(validity, from, to)
      out.raw(bytes, from * width, to * width)
    },
    bytes: () => out.length,
    take: () => makeData({ type: type as Int32, ...nulls(bits), data: typedArray(type, out.take()) as Int32Array }),
  }
}

/** The bytes as the array class that Arrow wants for the type; `take` gives a buffer of its own, so it is aligned. */
function typedArray(type: DataType, bytes: Uint8Array): ArrayLike<number> | BigInt64Array {
  const Typed = type.ArrayType as new (buffer: ArrayBufferLike, offset: number, length: number) => Int32Array
  const width = (Typed as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes)
  return new Typed(aligned.buffer, aligned.byteOffset, aligned.length / width)
}

function booleanColumn(): ArrowColumn {
  const bits = new Bits()
  const values = new Bits()
  let bytes: Uint8Array = new Uint8Array(0)
  let validity: Uint8Array | undefined
  return {
    type: new Bool(),
    load: (vector) => {
      bytes = vectorBytes(vector)
      validity = vectorValidity(vector)
    },
    append: (from, to) => {
      bits.append(validity, from, to)
      for (let row = from; row < to; row++) values.push(bytes[row] === 1)
    },
    bytes: () => values.length >> 3,
    take: () => makeData({ type: new Bool(), data: values.take(), ...nulls(bits) }),
  }
}

/** DuckDB stores narrow decimals narrow; Arrow's always have 128 bits. */
function decimalColumn(duckdbType: DuckDBDecimalType): ArrowColumn {
  const type = new Decimal(duckdbType.scale, duckdbType.width, 128)
  const width = duckdbType.width <= 4 ? 2 : duckdbType.width <= 9 ? 4 : duckdbType.width <= 18 ? 8 : 16
  const bits = new Bits()
  const out = new ByteWriter()
  let bytes: Uint8Array = new Uint8Array(0)
  let validity: Uint8Array | undefined
  return {
    type,
    load: (vector) => {
      bytes = vectorBytes(vector)
      validity = vectorValidity(vector)
    },
    append: (from, to) => {
      bits.append(validity, from, to)
      for (let row = from; row < to; row++) {
        out.raw(bytes, row * width, (row + 1) * width)
        const negative = ((bytes[(row + 1) * width - 1] ?? 0) & 128) !== 0
        out.fill(negative ? 255 : 0, 16 - width)
      }
    },
    bytes: () => out.length,
    take: () => makeData({ type, ...nulls(bits), data: typedArray(new Uint32(), out.take()) as Uint32Array }),
  }
}

function bytesColumn(type: Utf8 | Binary): ArrowColumn {
  const gather = new Gather()
  let strings: Strings
  let validity: Uint8Array | undefined
  return {
    type,
    load: (vector, rows) => {
      validity = vectorValidity(vector)
      strings = loadStrings(vector, rows, validity)
    },
    append: (from, to) => {
      gather.bits.append(validity, from, to)
      for (let row = from; row < to; row++) {
        if (validity === undefined || ((validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0) {
          strings.find(row)
          gather.out.raw(strings.bytes, strings.from, strings.to)
        }
        gather.offsets.push(gather.out.length)
      }
    },
    bytes: () => gather.out.length,
    take: () => gather.take(type),
  }
}

/** Texts of types that Arrow does not have. */
function textColumn(type: DuckDBType): ArrowColumn {
  const gather = new Gather()
  const nested = type.typeId === DuckDBTypeId.UNION
  const json = cellJson(type)
  let current: DuckDBVector
  return {
    type: new Utf8(),
    load: (vector) => {
      current = vector
    },
    append: (from, to) => {
      for (let row = from; row < to; row++) {
        const value = current.getItem(row)
        gather.bits.push(value !== null)
        if (value !== null) gather.out.text(nested ? json(current, row) : valueText(value, type))
        gather.offsets.push(gather.out.length)
      }
    },
    bytes: () => gather.out.length,
    take: () => gather.take(new Utf8()),
  }
}

/** Values of different lengths, one after the other, and where each ends. */
class Gather {
  readonly bits = new Bits()
  readonly out = new ByteWriter()
  offsets: number[] = [0]

  take(type: Utf8 | Binary): Data {
    const valueOffsets = Int32Array.from(this.offsets)
    this.offsets = [0]
    return makeData({ type: type as Utf8, ...nulls(this.bits), valueOffsets, data: this.out.take() })
  }
}

function nullColumn(): ArrowColumn {
  let length = 0
  return {
    type: new Null(),
    load: () => undefined,
    append: (from, to) => {
      length += to - from
    },
    bytes: () => 0,
    take: () => {
      const taken = makeData({ type: new Null(), length })
      length = 0
      return taken
    },
  }
}

function listColumn(duckdbType: DuckDBListType): ArrowColumn {
  const child = arrowColumn(duckdbType.valueType)
  const type = new List(new Field('item', child.type, true))
  return entriesColumn(
    child,
    (vector) => vector as DuckDBListVector,
    (base, valueOffsets) => makeData({ type, ...base, valueOffsets, child: child.take() }),
    type,
  )
}

function mapColumn(duckdbType: DuckDBMapType): ArrowColumn {
  const keys = arrowColumn(duckdbType.keyType)
  const values = arrowColumn(duckdbType.valueType)
  const entries = new Struct([new Field('key', keys.type, false), new Field('value', values.type, true)])
  const type = new Map_(new Field('entries', entries, false) as never)
  const child = pairColumn(entries, keys, values)
  return entriesColumn(
    child,
    mapEntries,
    (base, valueOffsets) => makeData({ type, ...base, valueOffsets, child: child.take() }),
    type,
  )
}

function pairColumn(type: Struct, keys: ArrowColumn, values: ArrowColumn): ArrowColumn {
  let length = 0
  return {
    type,
    load: (vector, rows) => {
      const struct = vector as DuckDBStructVector
      keys.load(struct.entryVectorAt(0), rows)
      values.load(struct.entryVectorAt(1), rows)
    },
    append: (from, to) => {
      length += to - from
      keys.append(from, to)
      values.append(from, to)
    },
    bytes: () => keys.bytes() + values.bytes(),
    take: () => {
      const taken = makeData({ type, length, nullCount: 0, children: [keys.take(), values.take()] })
      length = 0
      return taken
    },
  }
}

/** Lists of any kind: DuckDB's entries may overlap or leave gaps, Arrow's follow each other. */
function entriesColumn(
  child: ArrowColumn,
  listOf: (vector: DuckDBVector) => DuckDBListVector,
  make: (base: ReturnType<typeof nulls>, valueOffsets: Int32Array) => Data,
  type: DataType,
): ArrowColumn {
  const bits = new Bits()
  let offsets: number[] = [0]
  let list: DuckDBListVector
  let validity: Uint8Array | undefined
  return {
    type,
    load: (vector) => {
      list = listOf(vector)
      validity = vectorValidity(list)
      const entries = listEntries(list)
      child.load(entries, entries.itemCount)
    },
    append: (from, to) => {
      bits.append(validity, from, to)
      let end = offsets.at(-1) ?? 0
      for (let row = from; row < to; row++) {
        if (validity === undefined || ((validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0) {
          const start = list.getEntryOffset(row)
          const length = list.getEntryLength(row)
          child.append(start, start + length)
          end += length
        }
        offsets.push(end)
      }
    },
    bytes: () => child.bytes() + 4 * offsets.length,
    take: () => {
      const valueOffsets = Int32Array.from(offsets)
      offsets = [0]
      return make(nulls(bits), valueOffsets)
    },
  }
}

function arrayColumn(duckdbType: DuckDBArrayType): ArrowColumn {
  const child = arrowColumn(duckdbType.valueType)
  const size = duckdbType.length
  const type = new FixedSizeList(size, new Field('item', child.type, true))
  const bits = new Bits()
  let validity: Uint8Array | undefined
  return {
    type,
    load: (vector, rows) => {
      validity = vectorValidity(vector)
      child.load(arrayEntries(vector as DuckDBArrayVector), rows * size)
    },
    append: (from, to) => {
      bits.append(validity, from, to)
      child.append(from * size, to * size)
    },
    bytes: () => child.bytes(),
    take: () => makeData({ type, ...nulls(bits), child: child.take() }),
  }
}

function structColumn(duckdbType: DuckDBStructType): ArrowColumn {
  const children = duckdbType.entryTypes.map(arrowColumn)
  const type = new Struct(children.map((child, index) => new Field(duckdbType.entryNames[index] ?? '', child.type, true)))
  const bits = new Bits()
  let validity: Uint8Array | undefined
  return {
    type,
    load: (vector, rows) => {
      validity = vectorValidity(vector)
      const struct = vector as DuckDBStructVector
      for (const [index, child] of children.entries()) child.load(struct.entryVectorAt(index), rows)
    },
    append: (from, to) => {
      bits.append(validity, from, to)
      for (const child of children) child.append(from, to)
    },
    bytes: () => children.reduce((sum, each) => sum + each.bytes(), 0),
    take: () => makeData({ type, ...nulls(bits), children: children.map((child) => child.take()) }),
  }
}
