/**
 * From the bytes of a request to events for the log. A body is one event, an array of events, or an object with an array
 * `events`, as the client libraries send them. Each event is cut out of the text, parsed and looked through by itself, so that
 * one that is broken does not take its neighbours with it.
 */
import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { ForebayError } from '../../model/errors.js'
import type { ExternalEvent } from '../../model/lineage-event.js'
import { arrayElements, memberValue, skipSpace } from './raw-json.js'
import { validateEvent } from './validate-event.js'

/** An event of a body that was refused, by its place in the body. */
export interface RefusedEvent {
  readonly index: number
  readonly reason: string
}

export interface Intake {
  /** True where the body was one event by itself. */
  readonly single: boolean
  readonly received: number
  readonly events: readonly ExternalEvent[]
  readonly refused: readonly RefusedEvent[]
  readonly warnings: readonly { readonly index: number; readonly warning: string }[]
}

const eventsMax = 100_000
/** Most warnings and reasons that one answer carries. */
const toldMax = 1_000

/** Reads a body. Throws REQUEST_INVALID when it is no JSON, or neither an event nor a list of events. */
export function takeIn(bytes: Uint8Array): Intake {
  if (!isUtf8(bytes)) throw invalid('the body is not UTF-8')
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
  const start = skipSpace(text, 0)
  if (start >= text.length) throw invalid('the body is empty')
  if (text.startsWith('[', start)) return takeList(text, start)
  const list = wrappedList(text, start)
  if (list !== -1) return takeList(text, list)
  const taking = new Taking()
  taking.take(text.slice(start).trimEnd(), 0)
  return taking.intake(true, 1)
}

/** Where the list of `{"events":[…]}` begins; -1 where the object is an event itself. */
function wrappedList(text: string, start: number): number {
  // Events of the largest kind are not scanned for a member that they do not have: a list comes first, or there is little else.
  if (!/^\{\s*"/.test(text.slice(start, start + 200))) return -1
  const named = /"events"\s*:\s*\[/.test(text)
  if (!named || memberValue(text, start, 'eventTime') !== -1) return -1
  const at = memberValue(text, start, 'events')
  return at !== -1 && text.startsWith('[', at) ? at : -1
}

function takeList(text: string, start: number): Intake {
  const list = arrayElements(text, start)
  if (list === undefined) throw invalid('the body is not valid JSON: its list of events does not end')
  const after = text.slice(skipSpace(text, list.end))
  if (text.startsWith('[', skipSpace(text, 0)) ? after !== '' : !after.startsWith('}') && !after.startsWith(',')) {
    throw invalid('the body is not valid JSON: something stands behind its list of events')
  }
  if (list.elements.length > eventsMax) {
    throw new ForebayError('REQUEST_TOO_LARGE', `the body has more than ${eventsMax} events`, {
      hint: 'send them in several requests',
    })
  }
  const taking = new Taking()
  for (const [index, [from, to]] of list.elements.entries()) taking.take(text.slice(from, to), index)
  return taking.intake(false, list.elements.length)
}

class Taking {
  readonly #events: ExternalEvent[] = []
  readonly #refused: RefusedEvent[] = []
  readonly #warnings: { index: number; warning: string }[] = []

  take(text: string, index: number): void {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      this.#refuse(index, `is not valid JSON: ${(error as Error).message.slice(0, 200)}`)
      return
    }
    const verdict = validateEvent(value)
    if (!verdict.valid) {
      this.#refuse(index, verdict.reason)
      return
    }
    const { micros } = verdict.time
    // The time comes first, so that ids of one stream of events stand side by side in the log's index.
    const id = `ol-${micros.toString(36)}-${hash('sha256', text, 'hex').slice(0, 32)}`
    this.#events.push({ kind: 'openlineage', id, at: micros, text })
    for (const warning of verdict.warnings) if (this.#warnings.length < toldMax) this.#warnings.push({ index, warning })
  }

  intake(single: boolean, received: number): Intake {
    return { single, received, events: this.#events, refused: this.#refused, warnings: this.#warnings }
  }

  #refuse(index: number, reason: string): void {
    this.#refused.push({ index, reason })
  }
}

function invalid(message: string): ForebayError {
  return new ForebayError('REQUEST_INVALID', message, {
    hint: 'send an OpenLineage event, a list of them, or {"events": […]}; docs/openlineage.md has an example',
  })
}
