/**
 * The memory behind DuckDB's vectors. Its JavaScript classes keep it private and offer a value at a time, each checked by BigInt
 * arithmetic and wrapped in an object; read as typed arrays the same chunk takes a tenth of the time. The shapes below hold for
 * @duckdb/node-api 1.5.6 and are pinned by test/node/encode tests.
 */
import type { DuckDBArrayVector, DuckDBListVector, DuckDBStructVector, DuckDBVector } from '@duckdb/node-api'

type Typed = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array

interface Inside {
  readonly items?: Typed | BigInt64Array | BigUint64Array
  readonly dataView?: DataView
  readonly validity?: { readonly data: BigUint64Array | null; readonly offset: number }
  readonly childData?: DuckDBVector
  readonly listVector?: DuckDBListVector
  readonly structVector?: DuckDBStructVector
}

/** The raw bytes of a flat vector: fixed width per row. */
export function vectorBytes(vector: DuckDBVector): Uint8Array {
  const inside = vector as unknown as Inside
  const view = inside.items ?? inside.dataView
  if (view === undefined) throw new TypeError(`${vector.constructor.name} has no flat memory`)
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** Bitmap of rows that are not NULL, least significant bit first; undefined when no row is NULL. */
export function vectorValidity(vector: DuckDBVector): Uint8Array | undefined {
  const data = (vector as unknown as Inside).validity?.data ?? undefined
  return data === undefined ? undefined : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** Every list's entries in one vector. */
export function listEntries(vector: DuckDBListVector): DuckDBVector {
  return vector.childVector
}

/** Every fixed-size array's entries in one vector. */
export function arrayEntries(vector: DuckDBArrayVector): DuckDBVector {
  const { childData } = vector as unknown as Inside
  if (childData === undefined) throw new TypeError('array vector has no entries')
  return childData
}

/** A map is a list of key-value structs. */
export function mapEntries(vector: DuckDBVector): DuckDBListVector {
  const { listVector } = vector as unknown as Inside
  if (listVector === undefined) throw new TypeError('map vector has no entries')
  return listVector
}

/** A union is a struct of its tag and its members. */
export function unionMembers(vector: DuckDBVector): DuckDBStructVector {
  const { structVector } = vector as unknown as Inside
  if (structVector === undefined) throw new TypeError('union vector has no members')
  return structVector
}
