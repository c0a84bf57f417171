/**
 * The document around encoded rows. The node encodes rows, one a line, and the document around them is added here, since
 * only here the statistics are known. An error after the first byte cannot change the status any more: JSON is ended after
 * the last whole row with an `error` member, NDJSON gets a last line with the error, and NDJSON, CSV, Arrow and Parquet are
 * broken off, which a client sees as an aborted transfer and never as a shorter answer.
 */
import type { Execution, QueryResult } from '../../engine/engine.js'
import { toErrorRecord } from '../../model/errors.js'
import type { ResultFormat } from '../../model/query.js'

const newline = 10
const comma = 0x2c

/** The bytes of an answer. Throws what broke the result off, after what can still be said of it. */
export function frameResult(execution: Execution, result: QueryResult, format: ResultFormat): AsyncIterable<Uint8Array> {
  if (format === 'json') return frameJson(execution, result)
  if (format === 'ndjson') return frameLines(result)
  return result.body
}

async function* frameJson(execution: Execution, result: QueryResult): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`{"columns":${JSON.stringify(result.columns)},"rows":[`)
  const broken = yield* wholeLines(result.body)
  const id = JSON.stringify(execution.queryId)
  const stats = JSON.stringify(execution.status().actual ?? {})
  const error = broken === undefined ? '' : `,"error":${JSON.stringify(toErrorRecord(broken.error))}`
  yield Buffer.from(`],"queryId":${id},"stats":${stats}${error}}`)
}

async function* frameLines(result: QueryResult): AsyncGenerator<Uint8Array> {
  const broken = yield* wholeLines(result.body)
  if (broken === undefined) return
  yield Buffer.from(`${JSON.stringify({ error: toErrorRecord(broken.error) })}\n`)
  throw broken.error
}

/** Yields only whole lines, the last one when it is known to be whole; returns what broke the source off. */
async function* wholeLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, { readonly error: unknown } | undefined> {
  // The comma before a line goes out with that line, so that what has gone out can be ended at any moment.
  let held: Uint8Array[] = []
  try {
    for await (const chunk of body) {
      const end = lastLineEnd(chunk)
      if (end < 0) {
        held.push(chunk)
        continue
      }
      yield* held
      yield chunk.subarray(0, end)
      held = [chunk.subarray(end)]
    }
  } catch (error) {
    return { error }
  }
  yield* held
  return undefined
}

/** Where the last whole line of a chunk ends: before its `,\n` in JSON, after its `\n` in NDJSON; −1 when it holds no end. */
function lastLineEnd(chunk: Uint8Array): number {
  const at = chunk.lastIndexOf(newline)
  if (at <= 0) return -1
  return chunk[at - 1] === comma ? at - 1 : at + 1
}
