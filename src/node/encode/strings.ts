/**
 * The texts of a chunk's VARCHAR vector as bytes. A string of up to 12 bytes stands in the vector itself; a longer one is a
 * pointer, and fetching each of them costs a call into native code (1 µs with the decoding). Strings of one chunk lie close
 * together, so neighbours are fetched by one call.
 *
 * Reading between two strings is safe when the gap is under one page: every byte of it then lies on a page of one of the two.
 */
import type { DuckDBVector } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { vectorBytes } from './vector-access.js'

/** Bytes of the rows' texts; `from` and `to` are those of the row asked last. */
export interface Strings {
  bytesOf(row: number): Uint8Array
  from: number
  to: number
}

const inlineMax = 12
const pageBytes = 4096

interface Region {
  low: number
  high: number
  /** Row whose string starts the region. */
  row: number
  bytes: Uint8Array
}

const none = new Uint8Array(0)

/** Makes the texts of the rows readable as long as the chunk lives. */
export function loadStrings(vector: DuckDBVector, rows: number, validity: Uint8Array | undefined): Strings {
  const data = vectorBytes(vector)
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length >> 2)
  const regions = fetchRegions(data, mergeRegions(findRegions(words, rows, validity)))
  let region = regions[0]
  const strings: Strings = {
    from: 0,
    to: 0,
    bytesOf(row) {
      const length = words[4 * row] ?? 0
      if (length <= inlineMax) {
        strings.from = 16 * row + 4
        strings.to = strings.from + length
        return data
      }
      const address = addressOf(words, row)
      if (region === undefined || address < region.low || address >= region.high) region = regionOf(regions, address)
      strings.from = address - region.low
      strings.to = strings.from + length
      return region.bytes
    },
  }
  return strings
}

function addressOf(words: Uint32Array, row: number): number {
  return (words[4 * row + 3] ?? 0) * 4294967296 + (words[4 * row + 2] ?? 0)
}

/** Runs of rows whose strings are neighbours, in row order; they may still overlap. */
function findRegions(words: Uint32Array, rows: number, validity: Uint8Array | undefined): Region[] {
  const regions: Region[] = []
  let last: Region | undefined
  for (let row = 0; row < rows; row++) {
    const length = words[4 * row] ?? 0
    if (length <= inlineMax) continue
    // The slot of a NULL may hold anything.
    if (validity !== undefined && ((validity[row >> 3] ?? 0) & (1 << (row & 7))) === 0) continue
    const low = addressOf(words, row)
    const high = low + length
    if (last !== undefined && low < last.high + pageBytes && high > last.low - pageBytes) {
      if (low < last.low) {
        last.low = low
        last.row = row
      }
      if (high > last.high) last.high = high
    } else {
      last = { low, high, row, bytes: none }
      regions.push(last)
    }
  }
  return regions
}

function mergeRegions(regions: Region[]): Region[] {
  if (regions.length < 2) return regions
  regions.sort((a, b) => a.low - b.low)
  const merged: Region[] = []
  for (const region of regions) {
    const last = merged.at(-1)
    if (last !== undefined && region.low < last.high + pageBytes) last.high = Math.max(last.high, region.high)
    else merged.push(region)
  }
  return merged
}

function fetchRegions(data: Uint8Array, regions: Region[]): Region[] {
  for (const region of regions) {
    const pointerAt = data.byteOffset + 16 * region.row + 8
    region.bytes = duckdb.get_data_from_pointer(data.buffer as ArrayBuffer, pointerAt, region.high - region.low)
  }
  return regions
}

function regionOf(regions: readonly Region[], address: number): Region {
  let low = 0
  let high = regions.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((regions[middle]?.low ?? 0) <= address) low = middle
    else high = middle - 1
  }
  const region = regions[low]
  if (region === undefined) throw new RangeError('no string stands at this address')
  return region
}
