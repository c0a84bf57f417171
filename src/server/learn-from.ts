import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { literalsHash } from '../engine/embedded/ask-prediction.js'
import type { Clock } from '../model/clock.js'
import { ForebayError } from '../model/errors.js'
import { type Learned, learn } from '../predict/learn.js'
import type { Predictor } from '../predict/predictor.js'
import type { PlannerPool } from '../sql/planner.js'

export interface LearnRooms {
  readonly predictor: Predictor
  readonly planner: Pick<PlannerPool, 'plan'>
  readonly clock: Pick<Clock, 'now'>
}

/** Statements of a log that are planned at most; the texts of a dashboard repeat, so their identities are remembered by their hash. */
const identitiesMax = 20_000

/**
 * Loads a query log, plain or gzip, into a running predictor. SQL in it is planned on the present catalogue, so that its template
 * is the one that live queries of the same shape have. REQUEST_INVALID when it is no log at all.
 */
export async function learnFrom(body: AsyncIterable<Uint8Array>, rooms: LearnRooms): Promise<Learned> {
  const identities = new Map<string, Planned | undefined>()
  const learned = await learn(linesOf(untilBroken(body)), rooms.predictor, rooms.clock.now(), async ({ sql }) => {
    const hash = createHash('sha256').update(sql).digest('base64')
    if (!identities.has(hash) && identities.size < identitiesMax) identities.set(hash, await identify(sql, rooms))
    const planned = identities.get(hash)
    return planned && { ...planned, sql }
  })
  if (learned.learned + learned.activity > 0) return learned
  const why = learned.bad[0]?.reason ?? 'it is empty'
  throw new ForebayError('REQUEST_INVALID', `no line of the body is a line of a query log: ${why}`, {
    hint: 'each line is a JSON object with at, tenant, template, durationMs…; docs/http-api.md describes them',
  })
}

/** What is known of a statement once it was planned; not its text, which may be long. */
interface Planned {
  readonly fingerprint: string
  readonly literals: string
  readonly datasets: readonly string[]
}

async function identify(sql: string, { planner, clock }: LearnRooms): Promise<Planned | undefined> {
  try {
    const request = { sql, params: {}, timeZone: 'UTC', nowMs: clock.now(), tree: 'auto' as const }
    const plan = await planner.plan(request, AbortSignal.timeout(5_000))
    const datasets = [...new Set(plan.reads.map(({ dataset }) => dataset))]
    return { fingerprint: plan.fingerprint, literals: literalsHash(plan, request), datasets }
  } catch {
    // Its tables are not here, or it is of another dialect: the log's own names have to do.
    return undefined
  }
}

/** The body's bytes; that it broke off is its sender's doing, not the server's. */
async function* untilBroken(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    throw new ForebayError('REQUEST_INVALID', 'the query log broke off before its end', { cause: error })
  }
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
  const zipped = first.value[0] === 0x1f && first.value[1] === 0x8b
  yield* splitLines(zipped ? unzip(whole()) : whole())
}

const lineBytesMax = 10_000_000

async function* splitLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > lineBytesMax)
      throw new ForebayError('REQUEST_INVALID', `a line of the body has more than ${lineBytesMax} characters`)
    yield* lines
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}

async function* unzip(zipped: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip()
  // `pipeline` forwards failures of its source; what it rejects with is thrown to whoever reads `gunzip`.
  const piped = pipeline(Readable.from(zipped), gunzip).catch(() => {})
  try {
    yield* gunzip
  } catch (error) {
    throw new ForebayError('REQUEST_INVALID', `the body cannot be unpacked: ${(error as Error).message}`, { cause: error })
  } finally {
    gunzip.destroy()
    await piped
  }
}
