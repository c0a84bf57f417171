import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Execution, QueryResult } from '../../src/engine/engine.js'
import { ForebayError } from '../../src/model/errors.js'
import { frameResult } from '../../src/server/http/result-frame.js'

const execution = { queryId: 'q-1', status: () => ({ actual: { rows: 3 } }) } as unknown as Execution

async function* cut(text: string, at: readonly number[], failure?: Error): AsyncGenerator<Uint8Array> {
  let from = 0
  for (const end of [...at].sort((a, b) => a - b)) {
    yield Buffer.from(text.slice(from, end))
    from = end
  }
  if (failure !== undefined) throw failure
  yield Buffer.from(text.slice(from))
}

const result = (body: AsyncIterable<Uint8Array>): QueryResult => ({
  columns: [{ name: 'a', type: 'INTEGER' }],
  contentType: 'application/json',
  body,
})

async function collect(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of body) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString('utf8')
}

const cuts = fc.array(fc.nat(60), { maxLength: 8 })
const rows = fc.array(fc.tuple(fc.integer(), fc.string()), { maxLength: 6 })

describe('frameResult', () => {
  it('makes one JSON document of rows that come in any pieces', async () => {
    await fc.assert(
      fc.asyncProperty(rows, cuts, async (values, at) => {
        const text = values.map((row) => JSON.stringify(row)).join(',\n')
        const framed = await collect(frameResult(execution, result(cut(text, at)), 'json'))
        expect(JSON.parse(framed)).toEqual({
          columns: [{ name: 'a', type: 'INTEGER' }],
          rows: values,
          queryId: 'q-1',
          stats: { rows: 3 },
        })
      }),
      { numRuns: 300, seed: 20260131 },
    )
  })

  it('ends JSON after the last whole row with an error, wherever the source breaks off', async () => {
    await fc.assert(
      fc.asyncProperty(rows, cuts, async (values, at) => {
        const text = values.map((row) => JSON.stringify(row)).join(',\n')
        const failure = new ForebayError('NODE_LOST', 'n1 is gone')
        const framed = await collect(frameResult(execution, result(cut(text, at, failure)), 'json'))
        const parsed = JSON.parse(framed) as { rows: unknown[]; error: unknown }
        expect(parsed.error).toEqual({ code: 'NODE_LOST', message: 'n1 is gone' })
        expect(values.slice(0, parsed.rows.length)).toEqual(parsed.rows)
      }),
      { numRuns: 300, seed: 20260131 },
    )
  })

  it('ends NDJSON with a line that holds the error, and breaks off', async () => {
    const failure = new ForebayError('NODE_LOST', 'n1 is gone')
    const lines: string[] = []
    const read = async (): Promise<void> => {
      for await (const part of frameResult(execution, result(cut('{"a":1}\n{"a":2}\n{"a"', [10, 20], failure)), 'ndjson')) {
        lines.push(Buffer.from(part).toString())
      }
    }
    await expect(read()).rejects.toThrow('n1 is gone')
    expect(
      lines
        .join('')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([{ a: 1 }, { a: 2 }, { error: { code: 'NODE_LOST', message: 'n1 is gone' } }])
  })

  it('leaves CSV as it comes and throws what breaks it', async () => {
    expect(await collect(frameResult(execution, result(cut('a\n1\n', [2])), 'csv'))).toBe('a\n1\n')
    const broken = frameResult(execution, result(cut('a\n1\n', [2], new Error('gone'))), 'csv')
    await expect(collect(broken)).rejects.toThrow('gone')
  })
})
