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

/** A text in UTF-8: bytes [from, to) of `bytes`, and of `view`, which is the same memory to be read several bytes at once. */
export interface Text {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly from: number
  readonly to: number
}

/** The texts of a vector. One object for all of them: it is the text of the row that was found last. */
export interface Strings extends Text {
  find(row: number): void
}

const inlineMax = 12
const pageBytes = 4096

interface Region {
  low: number
  high: number
  /** Row whose string starts the region. */
  row: number
  bytes: Uint8Array
  view: DataView
}

const none = new Uint8Array(0)
const noView = viewOf(none)

/** Makes the texts of the rows readable as long as the chunk lives. */
export function loadStrings(vector: DuckDBVector, rows: number, validity: Uint8Array | undefined): Strings {
  const data = vectorBytes(vector)
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length >> 2)
  const regions = fetchRegions(data, mergeRegions(findRegions(words, rows, validity)))
  const view = viewOf(data)
  let region = regions[0]
  const strings = {
    bytes: data,
    view,
    from: 0,
    to: 0,
    find(row: number): void {
      const length = words[4 * row] ?? 0
      if (length <= inlineMax) {
        strings.bytes = data
        strings.view = view
        strings.from = 16 * row + 4
      } else {
        const address = addressOf(words, row)
        if (region === undefined || address < region.low || address >= region.high) region = regionOf(regions, address)
        strings.bytes = region.bytes
        strings.view = region.view
        strings.from = address - region.low
      }
      strings.to = strings.from + length
    },
  }
  return strings
}

/** A text of its own. */
export function textOf(text: string): Text {
  const bytes = Buffer.from(text)
  return { bytes, view: viewOf(bytes), from: 0, to: bytes.length }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
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
      last = { low, high, row, bytes: none, view: noView }
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
    region.view = viewOf(region.bytes)
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
