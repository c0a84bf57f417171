import { type Data, DataType, type Vector } from 'apache-arrow'

/**
 * A value of an Arrow column in the JSON form of docs/http-api.md, made of the column's own integers and not of what the reader
 * makes of them. `like` is the form expected: Arrow carries some nested values as the text of their JSON.
 */
export function arrowJson(column: Vector, index: number, like: unknown): unknown {
  const { type } = column
  if (!column.isValid(index)) return null
  if (DataType.isDecimal(type)) return decimal(raw(column, index), type.scale)
  if (DataType.isDate(type)) return date(raw(column, index))
  if (DataType.isTime(type)) return clockTime(raw(column, index), 1000n ** BigInt(type.unit))
  if (DataType.isTimestamp(type)) return moment(raw(column, index), 1000n ** BigInt(type.unit), type.timezone != null)
  const value = column.get(index)
  if (DataType.isUtf8(type)) return typeof like === 'object' ? JSON.parse(value) : value
  if (DataType.isBinary(type)) return Buffer.from(value).toString('base64')
  if (DataType.isInt(type)) return whole(BigInt(value))
  if (DataType.isFloat(type)) return floating(value, type.precision === 1)
  const part = (of: unknown, key: string | number): unknown => (of as Record<string | number, unknown> | undefined)?.[key]
  if (DataType.isList(type) || DataType.isFixedSizeList(type)) {
    return Array.from({ length: value.length }, (_, at) => arrowJson(value, at, part(like, at)))
  }
  const { data, at } = place(column, index)
  if (DataType.isStruct(type)) {
    return Object.fromEntries(
      type.children.map(({ name }, child) => [name, arrowJson(childOf(column, data, child), at, part(like, name))]),
    )
  }
  if (DataType.isMap(type)) {
    const [from = 0, to = 0] = [data.valueOffsets[at], data.valueOffsets[at + 1]]
    const entries = childOf(column, data, 0)
    return Array.from({ length: to - from }, (_, pair) => {
      const inner = place(entries, from + pair)
      return [0, 1].map((side) => arrowJson(childOf(entries, inner.data, side), inner.at, part(part(like, pair), side)))
    })
  }
  return value
}

/** The piece of a column that holds a row, and the row's place in it. */
function place(column: Vector, index: number): { readonly data: Data; readonly at: number } {
  let at = index
  for (const data of column.data) {
    if (at < data.length) return { data, at }
    at -= data.length
  }
  throw new Error(`row ${index} is beyond the column`)
}

function childOf(column: Vector, data: Data, child: number): Vector {
  const found = data.children[child]
  if (found === undefined) throw new Error('no such child')
  const Columns = column.constructor as new (data: readonly Data[]) => Vector
  return new Columns([found])
}

/** The integer that stands for a value: words of 32 bits, the lowest first, or one of the array's own. */
function raw(column: Vector, index: number): bigint {
  const { data, at } = place(column, index)
  const { values, stride } = data
  if (!DataType.isDecimal(column.type) && !(stride > 1)) return BigInt(values[at])
  let sum = 0n
  for (let word = stride - 1; word >= 0; word--) sum = (sum << 32n) | BigInt(values[at * stride + word])
  return BigInt.asIntN(32 * stride, sum)
}

function whole(value: bigint): number | string {
  return value >= -(2n ** 53n) && value <= 2n ** 53n ? Number(value) : String(value)
}

function floating(value: number, single: boolean): number | string {
  if (!Number.isFinite(value)) return String(value)
  if (!single) return value
  // The shortest decimal that is this one and no other FLOAT.
  const digits = Array.from({ length: 9 }, (_, index) => Number(value.toPrecision(index + 1)))
  return digits.find((each) => Math.fround(each) === value) ?? value
}

function decimal(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return value < 0n ? `-${text}` : text
}

function date(days: bigint): string {
  if (days === 2n ** 31n - 1n) return 'infinity'
  if (days === 1n - 2n ** 31n) return '-infinity'
  const at = new Date(Number(days) * 86_400_000)
  const year = at.getUTCFullYear()
  const two = (number: number): string => String(number).padStart(2, '0')
  return `${year < 0 ? '-' : ''}${String(Math.abs(year)).padStart(4, '0')}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`
}

/** A time of day in units of which there are so many in a second. */
function clockTime(value: bigint, perSecond: bigint): string {
  const seconds = Number(value / perSecond)
  const two = (number: number): string => String(Math.floor(number)).padStart(2, '0')
  const places = String(perSecond).length - 1
  const fraction = places === 0 ? '' : String(value % perSecond).padStart(places, '0')
  const text = `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}.${fraction}`
  return text.replace(/\.?0*$/, (zeros) => (zeros.startsWith('.') ? '' : zeros.replaceAll('0', '')))
}

function moment(value: bigint, perSecond: bigint, zoned: boolean): string {
  if (value === 2n ** 63n - 1n) return 'infinity'
  if (value === 1n - 2n ** 63n) return '-infinity'
  const perDay = 86_400n * perSecond
  const day = value >= 0n ? value / perDay : -((perDay - 1n - value) / perDay)
  return `${date(day)}T${clockTime(value - day * perDay, perSecond)}${zoned ? 'Z' : ''}`
}
