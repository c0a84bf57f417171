import type { DuckDBDataChunk, DuckDBType } from '@duckdb/node-api'
import { ByteWriter } from './byte-writer.js'
import { cellWriter, type TextStyle } from './cell-writers.js'
import { csvStyle, jsonStyle, writeText } from './text-style.js'

/** Turns a result into bytes, chunk by chunk, in the order head, chunks, tail. */
export interface ResultEncoder {
  head(): Uint8Array
  /** Bytes of these rows, in pieces of a few megabytes; none while the encoder gathers rows. */
  encode(chunk: DuckDBDataChunk): Iterable<Uint8Array>
  tail(): Uint8Array
}

const empty = new Uint8Array(0)
/** A piece ends with the row that reaches this, so that wide rows are never all in memory as text. */
const pieceBytes = 1 << 22

/** The comma-joined rows of a JSON answer, `[1,"a"]` and `,\n` between; the HTTP layer puts the outer object around it. */
export function jsonRows(types: readonly DuckDBType[]): ResultEncoder {
  return textRows(types, jsonStyle, {
    head: empty,
    betweenRows: Buffer.from(',\n'),
    beforeCells: types.map((_, index) => Buffer.from(index === 0 ? '[' : ',')),
    afterRow: Buffer.from(']'),
  })
}

/** One JSON object a line. Of equal names the later one gets a number, since an object can hold a name once. */
export function jsonLines(names: readonly string[], types: readonly DuckDBType[]): ResultEncoder {
  return textRows(types, jsonStyle, {
    head: empty,
    betweenRows: empty,
    beforeCells: names.map((name, index) => Buffer.from(`${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)),
    afterRow: Buffer.from('}\n'),
  })
}

/** RFC 4180 with a header line. */
export function csvRows(names: readonly string[], types: readonly DuckDBType[]): ResultEncoder {
  const beforeCells = types.map((_, index) => Buffer.from(index === 0 ? '' : ','))
  const out = new ByteWriter()
  for (const [index, name] of names.entries()) {
    out.raw(beforeCells[index] ?? empty)
    writeText(out, name)
  }
  out.ascii('\r\n')
  return textRows(types, csvStyle, { head: out.take(), betweenRows: empty, beforeCells, afterRow: Buffer.from('\r\n') })
}

/** What stands around rows and cells, as bytes. */
interface RowFrame {
  readonly head: Uint8Array
  readonly betweenRows: Uint8Array
  readonly beforeCells: readonly Uint8Array[]
  readonly afterRow: Uint8Array
}

function textRows(types: readonly DuckDBType[], style: TextStyle, frame: RowFrame): ResultEncoder {
  const { head, betweenRows, beforeCells, afterRow } = frame
  const writers = types.map((type) => cellWriter(type, style))
  const out = new ByteWriter()
  let isFirst = true
  return {
    head: () => head,
    *encode(chunk) {
      const rows = chunk.rowCount
      for (const [index, writer] of writers.entries()) writer.load(chunk.getColumnVector(index), rows)
      for (let row = 0; row < rows; row++) {
        if (!isFirst) out.raw(betweenRows)
        isFirst = false
        for (let index = 0; index < writers.length; index++) {
          out.raw(beforeCells[index] ?? empty)
          writers[index]?.write(out, row)
        }
        out.raw(afterRow)
        if (out.length >= pieceBytes) yield out.take()
      }
      yield out.take()
    },
    tail: () => empty,
  }
}
