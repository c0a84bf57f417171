import { toErrorRecord } from '../../model/errors.js'
import type { DeadLetter, DeadLetters } from '../dead-letters.js'
import { type Broker, streamsOf } from './broker.js'
import { decode, encode } from './wire.js'

/** Dead letters on a stream of the broker, where its own tools see them too. */
export class BrokerDeadLetters implements DeadLetters {
  readonly #broker: Broker
  readonly #shelf: string

  constructor(broker: Broker, prefix: string) {
    this.#broker = broker
    this.#shelf = streamsOf(prefix).deadLetters
  }

  add(letter: DeadLetter): Promise<void> {
    return this.#broker.put(this.#shelf, { id: letter.id, body: encode(letter, `dead letter "${letter.id}"`) })
  }

  async list(): Promise<readonly DeadLetter[]> {
    const items = await this.#broker.list(this.#shelf)
    return items.map(({ id, body }) => letterOf(id, body)).toSorted((a, b) => a.at - b.at)
  }

  remove(id: string): Promise<boolean> {
    return this.#broker.remove(this.#shelf, id)
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
