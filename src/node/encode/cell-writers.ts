/**
 * Writers of one column's cells into a byte buffer, without a string or an object per value for the types that fill most answers.
 * A writer is loaded with a chunk's vector and then asked row by row, since both JSON and CSV are rows.
 */
import { type DuckDBDecimalType, type DuckDBType, DuckDBTypeId, type DuckDBVector } from '@duckdb/node-api'
import type { ByteWriter } from './byte-writer.js'
import { cellJson, valueText } from './cell-json.js'
import { loadStrings, type Strings, type Text, textOf } from './strings.js'
import { civil, dateText, decimalText, doubleText, floatText, timestampText } from './value-text.js'
import { vectorBytes, vectorValidity } from './vector-access.js'

/** How a format writes what is not a number: JSON quotes and escapes, CSV quotes where it must. */
export interface TextStyle {
  readonly nullText: string
  /** Quote around texts that need no escape, as a byte; 0 for none. */
  readonly quote: number
  /** Quote around nothing but text that contains what must be quoted. */
  writeText(out: ByteWriter, text: Text): void
  /** Writes the JSON of a nested value. */
  writeNested(out: ByteWriter, json: string): void
}

export interface CellWriter {
  load(vector: DuckDBVector, rows: number): void
  write(out: ByteWriter, row: number): void
}

/** The writer for a column of this type. */
export function cellWriter(type: DuckDBType, style: TextStyle): CellWriter {
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return flat(style, byteView, (out, items, row) => out.ascii(items[row] === 0 ? 'false' : 'true'))
    case DuckDBTypeId.TINYINT:
      return flat(
        style,
        (b) => new Int8Array(b.buffer, b.byteOffset, b.length),
        (out, items, row) => out.integer(items[row] ?? 0),
      )
    case DuckDBTypeId.UTINYINT:
      return flat(style, byteView, (out, items, row) => out.integer(items[row] ?? 0))
    case DuckDBTypeId.SMALLINT:
      return flat(
        style,
        (b) => new Int16Array(b.buffer, b.byteOffset, b.length >> 1),
        (out, items, row) => out.integer(items[row] ?? 0),
      )
    case DuckDBTypeId.USMALLINT:
      return flat(
        style,
        (b) => new Uint16Array(b.buffer, b.byteOffset, b.length >> 1),
        (out, items, row) => out.integer(items[row] ?? 0),
      )
    case DuckDBTypeId.INTEGER:
      return flat(style, int32View, (out, items, row) => out.integer(items[row] ?? 0))
    case DuckDBTypeId.UINTEGER:
      return flat(
        style,
        (b) => new Uint32Array(b.buffer, b.byteOffset, b.length >> 2),
        (out, items, row) => out.integer(items[row] ?? 0),
      )
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.UBIGINT:
      return bigint(style, type.typeId === DuckDBTypeId.BIGINT)
    case DuckDBTypeId.FLOAT:
      return flat(style, (b) => new Float32Array(b.buffer, b.byteOffset, b.length >> 2), real(style, floatText))
    case DuckDBTypeId.DOUBLE:
      return flat(style, (b) => new Float64Array(b.buffer, b.byteOffset, b.length >> 3), real(style, doubleText))
    case DuckDBTypeId.DECIMAL:
      return decimal(style, type as DuckDBDecimalType)
    case DuckDBTypeId.DATE:
      return flat(style, int32View, (out, items, row) => quoted(out, style, () => writeDate(out, items[row] ?? 0)))
    case DuckDBTypeId.TIMESTAMP:
      return timestamp(style, '')
    case DuckDBTypeId.TIMESTAMP_TZ:
      return timestamp(style, 'Z')
    case DuckDBTypeId.VARCHAR:
      return varchar(style)
    default:
      return other(type, style)
  }
}

function byteView(bytes: Uint8Array): Uint8Array {
  return bytes
}

function int32View(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
}

/** A column of fixed width: the vector as a typed array, NULLs by the bitmap. */
function flat<T>(
  style: TextStyle,
  view: (bytes: Uint8Array) => T,
  write: (out: ByteWriter, items: T, row: number) => void,
): CellWriter {
  let items: T
  let validity: Uint8Array | undefined
  return {
    load: (vector) => {
      items = view(vectorBytes(vector))
      validity = vectorValidity(vector)
    },
    write: (out, row) => {
      if (isNull(validity, row)) out.ascii(style.nullText)
      else write(out, items, row)
    },
  }
}

function isNull(validity: Uint8Array | undefined, row: number): boolean {
  return validity !== undefined && ((validity[row >> 3] ?? 0) & (1 << (row & 7))) === 0
}

function quoted(out: ByteWriter, style: TextStyle, write: () => void): void {
  if (style.quote !== 0) out.byte(style.quote)
  write()
  if (style.quote !== 0) out.byte(style.quote)
}

function real(
  style: TextStyle,
  text: (value: number) => string,
): (out: ByteWriter, items: ArrayLike<number>, row: number) => void {
  return (out, items, row) => {
    const value = items[row] ?? 0
    if (Number.isInteger(value) && value < 1e15 && value > -1e15 && value !== 0) out.integer(value)
    else if (Number.isFinite(value)) out.ascii(text(value))
    else quoted(out, style, () => out.ascii(String(value)))
  }
}

/** Halves of 64-bit values as numbers: BigInt costs ten times as much. */
interface Halves {
  readonly low: Uint32Array
  readonly high: Int32Array
  readonly wide: BigInt64Array
}

function halves(bytes: Uint8Array): Halves {
  return {
    low: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2),
    high: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2),
    wide: new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3),
  }
}

const safeHigh = 1 << 21

/** The value where a double holds it exactly, else undefined. */
function safeValue(items: Halves, row: number): number | undefined {
  const high = items.high[2 * row + 1] ?? 0
  return high < safeHigh && high >= -safeHigh ? high * 4294967296 + (items.low[2 * row] ?? 0) : undefined
}

function bigint(style: TextStyle, signed: boolean): CellWriter {
  return flat(style, halves, (out, items, row) => {
    // The sign bit of an unsigned value is a part of its size.
    const safe = signed || (items.high[2 * row + 1] ?? 0) >= 0 ? safeValue(items, row) : undefined
    if (safe !== undefined) out.integer(safe)
    else {
      const value = items.wide[row] ?? 0n
      if (value === 9_007_199_254_740_992n) out.ascii(String(value))
      else quoted(out, style, () => out.ascii(String(signed ? value : BigInt.asUintN(64, value))))
    }
  })
}

function decimal(style: TextStyle, type: DuckDBDecimalType): CellWriter {
  const { width, scale } = type
  const unit = 10 ** scale
  const writeSmall = (out: ByteWriter, unscaled: number): void =>
    quoted(out, style, () => {
      if (unscaled < 0) out.byte(45)
      const size = Math.abs(unscaled)
      const whole = Math.floor(size / unit)
      out.integer(whole)
      if (scale === 0) return
      out.byte(46)
      out.digits(size - whole * unit, scale)
    })
  const writeLarge = (out: ByteWriter, unscaled: bigint): void =>
    quoted(out, style, () => out.ascii(decimalText(unscaled, scale)))
  if (width <= 4) {
    return flat(
      style,
      (b) => new Int16Array(b.buffer, b.byteOffset, b.length >> 1),
      (out, items, row) => writeSmall(out, items[row] ?? 0),
    )
  }
  if (width <= 9) return flat(style, int32View, (out, items, row) => writeSmall(out, items[row] ?? 0))
  if (width <= 18) {
    return flat(style, halves, (out, items, row) => {
      const safe = safeValue(items, row)
      if (safe === undefined) writeLarge(out, items.wide[row] ?? 0n)
      else writeSmall(out, safe)
    })
  }
  return flat(style, halves, (out, items, row) => {
    const safe = safeValue(items, 2 * row)
    const above = safe !== undefined && safe < 0 ? -1 : 0
    if (safe !== undefined && items.high[4 * row + 2] === above && items.high[4 * row + 3] === above) {
      writeSmall(out, safe)
      return
    }
    const low = BigInt.asUintN(64, items.wide[2 * row] ?? 0n)
    writeLarge(out, ((items.wide[2 * row + 1] ?? 0n) << 64n) | low)
  })
}

function writeDate(out: ByteWriter, days: number): void {
  // Years of four digits: everything else is rare and goes the long way.
  if (days < -719_162 || days > 2_932_896) {
    out.ascii(dateText(days))
    return
  }
  const { year, month, day } = civil(days)
  out.digits(year, 4)
  out.byte(45)
  out.digits(month, 2)
  out.byte(45)
  out.digits(day, 2)
}

const microsPerDay = 86_400_000_000

function timestamp(style: TextStyle, suffix: string): CellWriter {
  return flat(style, halves, (out, items, row) =>
    quoted(out, style, () => {
      const micros = safeValue(items, row)
      if (micros === undefined) {
        const text = timestampText(items.wide[row] ?? 0n, 1_000_000n)
        out.ascii(text.endsWith('infinity') ? text : text + suffix)
        return
      }
      const days = Math.floor(micros / microsPerDay)
      const ofDay = micros - days * microsPerDay
      const seconds = Math.floor(ofDay / 1_000_000)
      writeDate(out, days)
      out.byte(84)
      writeClock(out, seconds)
      writeFraction(out, ofDay - seconds * 1_000_000)
      out.ascii(suffix)
    }),
  )
}

function writeClock(out: ByteWriter, seconds: number): void {
  out.digits(Math.floor(seconds / 3600), 2)
  out.byte(58)
  out.digits(Math.floor(seconds / 60) % 60, 2)
  out.byte(58)
  out.digits(seconds % 60, 2)
}

function writeFraction(out: ByteWriter, micros: number): void {
  if (micros === 0) return
  let count = 6
  let rest = micros
  for (; rest % 10 === 0; rest /= 10) count--
  out.byte(46)
  out.digits(rest, count)
}

function varchar(style: TextStyle): CellWriter {
  let strings: Strings
  let validity: Uint8Array | undefined
  return {
    load: (vector, rows) => {
      validity = vectorValidity(vector)
      strings = loadStrings(vector, rows, validity)
    },
    write: (out, row) => {
      if (isNull(validity, row)) {
        out.ascii(style.nullText)
        return
      }
      strings.find(row)
      style.writeText(out, strings)
    },
  }
}

/** Everything else, by way of text. */
function other(type: DuckDBType, style: TextStyle): CellWriter {
  const nested = [DuckDBTypeId.LIST, DuckDBTypeId.ARRAY, DuckDBTypeId.STRUCT, DuckDBTypeId.MAP, DuckDBTypeId.UNION].includes(
    type.typeId,
  )
  const json = cellJson(type)
  let current: DuckDBVector
  return {
    load: (vector) => {
      current = vector
    },
    write: (out, row) => {
      if (nested) {
        const text = json(current, row)
        if (text === 'null') out.ascii(style.nullText)
        else style.writeNested(out, text)
        return
      }
      const value = current.getItem(row)
      if (value === null) {
        out.ascii(style.nullText)
        return
      }
      // Integers of 128 bits are strings in JSON too.
      style.writeText(out, textOf(valueText(value, type)))
    },
  }
}
