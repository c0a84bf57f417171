import type { DuckDBType } from '@duckdb/node-api'
import { AsyncByteQueue, Field, makeData, RecordBatch, RecordBatchStreamWriter, Schema, Struct } from 'apache-arrow'
import { arrowColumn } from './arrow-columns.js'
import type { ResultEncoder } from './encoder.js'

/** Rows of a record batch: so many that its metadata does not weigh, so few that a reader starts soon. */
const batchRowsMin = 16_384

/** Bytes of a record batch from which on it is written, whatever its rows. */
const batchBytesMin = 1 << 24
/** Rows after which the bytes are looked at. */
const stepRows = 256

/** Takes what the writer writes, at once. */
class Pieces extends AsyncByteQueue<Uint8Array> {
  #pieces: Uint8Array[] = []

  override write(value: unknown): void {
    if (value instanceof Uint8Array) this.#pieces.push(value)
    else if (ArrayBuffer.isView(value)) this.#pieces.push(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  }

  take(): Uint8Array {
    return Buffer.concat(this.#pieces.splice(0))
  }
}

/** An Arrow IPC stream: the schema, record batches, the end. */
export function arrowStream(names: readonly string[], types: readonly DuckDBType[]): ResultEncoder {
  const columns = types.map(arrowColumn)
  const fields = columns.map((column, index) => new Field(names[index] ?? '', column.type, true))
  const schema = new Schema(fields)
  const struct = new Struct(fields)
  const pieces = new Pieces()
  const writer = new RecordBatchStreamWriter({ autoDestroy: false })
  writer.reset(pieces as never, schema as never)
  let rows = 0
  const flush = (): void => {
    const children = columns.map((column) => column.take())
    writer.write(new RecordBatch(schema, makeData({ type: struct, length: rows, nullCount: 0, children })) as never)
    rows = 0
  }
  return {
    head: () => pieces.take(),
    *encode(chunk) {
      const count = chunk.rowCount
      for (const [index, column] of columns.entries()) column.load(chunk.getColumnVector(index), count)
      for (let from = 0; from < count; from += stepRows) {
        const to = Math.min(count, from + stepRows)
        for (const column of columns) column.append(from, to)
        rows += to - from
        if (columns.reduce((sum, column) => sum + column.bytes(), 0) < batchBytesMin) continue
        flush()
        yield pieces.take()
      }
      if (rows >= batchRowsMin) flush()
      yield pieces.take()
    },
    tail: () => {
      if (rows > 0) flush()
      // The writer's own end is that of the format before 2019, which newer readers accept but do not like.
      return Buffer.concat([pieces.take(), endOfStream])
    },
  }
}

/** Continuation marker and a length of zero, as the format ends a stream. */
const endOfStream = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0)
