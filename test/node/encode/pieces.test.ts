import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromIPC } from 'apache-arrow'
import { expect, it } from 'vitest'
import { arrowStream } from '../../../src/node/encode/arrow.js'
import { csvRows, jsonLines } from '../../../src/node/encode/encoder.js'

const rows = 2048

/** Pieces of the bytes of one chunk of wide rows. */
async function pieces(format: typeof jsonLines): Promise<readonly Uint8Array[]> {
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  try {
    const result = await connection.run(`SELECT repeat('x', 20000) || range AS a FROM range(${rows})`)
    const encoder = format(['a'], result.columnTypes())
    const chunk = await result.fetchChunk()
    if (chunk === null) throw new Error('no rows')
    return [encoder.head(), ...encoder.encode(chunk), encoder.tail()]
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const longest = (all: readonly Uint8Array[]): number => Math.max(...all.map((piece) => piece.length))
const wide = (row: number): string => 'x'.repeat(20_000) + row

it('writes wide rows as text in small pieces', async () => {
  const lines = await pieces(jsonLines)
  expect(longest(lines)).toBeLessThan(5e6)
  expect(
    Buffer.concat(lines)
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).a),
  ).toEqual(Array.from({ length: rows }, (_, row) => wide(row)))
  const csv = await pieces(csvRows)
  expect(longest(csv)).toBeLessThan(5e6)
})

it('writes wide rows as small record batches', async () => {
  const all = await pieces(arrowStream)
  expect(longest(all)).toBeLessThan(23e6)
  const table = tableFromIPC(Buffer.concat(all))
  expect([table.numRows, table.batches.length]).toEqual([rows, 2])
  expect(table.getChildAt(0)?.get(rows - 1)).toBe(wide(rows - 1))
})
