import type { ExternalEvent } from '../../model/lineage-event.js'
import type { OpenLineageEvent } from './open-lineage-event.js'

let last: { readonly entry: ExternalEvent; readonly event: OpenLineageEvent } | undefined

/**
 * The event that a log entry holds; parsed once while several look at it, one after the other. Half of a surrogate pair in a text of
 * it is U+FFFD, as SQLite keeps it: two names would be one in one store and two in memory or in another store.
 */
export function parsedEvent(entry: ExternalEvent): OpenLineageEvent {
  if (last?.entry !== entry) last = { entry, event: JSON.parse(withoutHalves(entry.text)) as OpenLineageEvent }
  return last.event
}

const half = /\\ud[89a-f]/i
/** Escapes, of which only halves without their other half are in the group. */
const escapes = /\\ud[89ab][\da-f]{2}\\ud[c-f][\da-f]{2}|(\\ud[89a-f][\da-f]{2})|\\./gi

/** JSON in which each escape for half of a surrogate pair is one for U+FFFD. */
function withoutHalves(text: string): string {
  if (!half.test(text)) return text
  return text.replace(escapes, (escape: string, alone?: string) => (alone === undefined ? escape : '\\ufffd'))
}
