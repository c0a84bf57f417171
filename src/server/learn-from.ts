import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { ForebayError } from '../model/errors.js'
import { type Learned, learn } from '../predict/learn.js'
import type { Predictor } from '../predict/predictor.js'

/** Loads a query log, plain or gzip, into a running predictor. REQUEST_INVALID when it is no log at all. */
export async function learnFrom(body: AsyncIterable<Uint8Array>, predictor: Predictor): Promise<Learned> {
  const learned = await learn(linesOf(body), predictor)
  if (learned.learned > 0 || learned.lines === 0) return learned
  throw new ForebayError('REQUEST_INVALID', 'no line of the body is a line of a query log', {
    hint: 'each line is a JSON object with at, tenant, template, durationMs…; docs/http-api.md describes them',
  })
}

/** Lines of text, whether it comes as gzip or not. */
async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const source = body[Symbol.asyncIterator]()
  const first = await source.next()
  if (first.done === true) return
  const whole = async function* (): AsyncGenerator<Uint8Array> {
    yield first.value
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value
  }
  const plain = Readable.from(whole())
  const input = first.value[0] === 0x1f && first.value[1] === 0x8b ? plain.pipe(createGunzip()) : plain
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    throw new ForebayError('REQUEST_INVALID', `the body cannot be unpacked: ${(error as Error).message}`, { cause: error })
  }
}
