import { ForebayError, toErrorRecord } from '../../model/errors.js'
import type { DeadLetter, DeadLetters } from '../dead-letters.js'
import { type Broker, streamsOf } from './broker.js'
import { decode, encode } from './wire.js'

interface OnTheWay {
  readonly letter: DeadLetter
  readonly kept: Promise<void>
}

/**
 * Dead letters on a stream of the broker, where its own tools see them too. A query fails without waiting for the broker to
 * confirm its letter, so those on the way are shown as well: who hears of the failure finds the letter.
 */
export class BrokerDeadLetters implements DeadLetters {
  readonly #broker: Broker
  readonly #shelf: string
  readonly #onTheWay = new Map<string, OnTheWay>()

  constructor(broker: Broker, prefix: string) {
    this.#broker = broker
    this.#shelf = streamsOf(prefix).deadLetters
  }

  async add(letter: DeadLetter): Promise<void> {
    const kept = this.#broker.put(this.#shelf, { id: letter.id, body: encode(letter, `dead letter "${letter.id}"`) })
    const entry = { letter, kept }
    this.#onTheWay.set(letter.id, entry)
    try {
      await kept
    } finally {
      if (this.#onTheWay.get(letter.id) === entry) this.#onTheWay.delete(letter.id)
    }
  }

  async list(): Promise<readonly DeadLetter[]> {
    // Noted before the broker is asked: one that is confirmed meanwhile is in one of the two.
    const unconfirmed = [...this.#onTheWay.values()].map(({ letter }) => letter)
    const items = await asked(this.#broker.list(this.#shelf))
    const letters = new Map(items.map(({ id, body }) => [id, letterOf(id, body)]))
    for (const letter of unconfirmed) letters.set(letter.id, letter)
    return [...letters.values()].toSorted((a, b) => a.at - b.at)
  }

  async remove(id: string): Promise<boolean> {
    // With the broker away nothing is waited for: it says itself that it cannot be asked.
    if (this.#broker.status().connected) await this.#onTheWay.get(id)?.kept
    return asked(this.#broker.remove(this.#shelf, id))
  }
}

/** What a broker answers. One that goes away while it is asked is found to be away only later; until then its client fails in its own words. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof ForebayError) throw error
    throw new ForebayError('UNAVAILABLE', `the broker did not say which dead letters it has: ${(error as Error).message}`, {
      hint: 'look whether the broker can be reached: forebay status',
      cause: error,
    })
  }
}

/** Somebody else may have put something there: it is shown, with what is wrong with it. */
function letterOf(id: string, body: Buffer): DeadLetter {
  try {
    const letter = decode(body) as DeadLetter
    if (typeof letter.at === 'number' && typeof letter.attempts === 'number' && typeof letter.reason?.code === 'string')
      return letter
  } catch (error) {
    return { id, at: 0, attempts: 0, reason: toErrorRecord(error) }
  }
  return { id, at: 0, attempts: 0, reason: { code: 'REQUEST_INVALID', message: 'the message is not a dead letter' } }
}
