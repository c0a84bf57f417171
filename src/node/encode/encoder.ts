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
  let first = true
  return textRows(types, jsonStyle, {
    head: () => empty,
    beforeRow: (out) => {
      if (!first) out.ascii(',\n')
      first = false
      out.byte(91)
    },
    beforeCell: (out, index) => {
      if (index > 0) out.byte(44)
    },
    afterRow: (out) => out.byte(93),
  })
}

/** One JSON object a line. Of equal names the later one gets a number, since an object can hold a name once. */
export function jsonLines(names: readonly string[], types: readonly DuckDBType[]): ResultEncoder {
  const keys = names.map((name, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)
  return textRows(types, jsonStyle, {
    head: () => empty,
    beforeRow: () => undefined,
    beforeCell: (out, index) => out.text(keys[index] ?? ''),
    afterRow: (out) => out.ascii('}\n'),
  })
}

/** RFC 4180 with a header line. */
export function csvRows(names: readonly string[], types: readonly DuckDBType[]): ResultEncoder {
  return textRows(types, csvStyle, {
    head: () => {
      const out = new ByteWriter()
      for (const [index, name] of names.entries()) {
        if (index > 0) out.byte(44)
        writeText(out, name)
      }
      out.ascii('\r\n')
      return out.take()
    },
    beforeRow: () => undefined,
    beforeCell: (out, index) => {
      if (index > 0) out.byte(44)
    },
    afterRow: (out) => out.ascii('\r\n'),
  })
}

interface RowFrame {
  head(): Uint8Array
  beforeRow(out: ByteWriter): void
  beforeCell(out: ByteWriter, index: number): void
  afterRow(out: ByteWriter): void
}

function textRows(types: readonly DuckDBType[], style: TextStyle, frame: RowFrame): ResultEncoder {
  const writers = types.map((type) => cellWriter(type, style))
  const out = new ByteWriter()
  return {
    head: frame.head,
    *encode(chunk) {
      const rows = chunk.rowCount
      for (const [index, writer] of writers.entries()) writer.load(chunk.getColumnVector(index), rows)
      for (let row = 0; row < rows; row++) {
        frame.beforeRow(out)
        for (let index = 0; index < writers.length; index++) {
          frame.beforeCell(out, index)
          writers[index]?.write(out, row)
        }
        frame.afterRow(out)
        if (out.length >= pieceBytes) yield out.take()
      }
      yield out.take()
    },
    tail: () => empty,
  }
}
