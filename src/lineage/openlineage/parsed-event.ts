import type { ExternalEvent } from '../../model/lineage-event.js'
import type { OpenLineageEvent } from './open-lineage-event.js'

const parsed = new WeakMap<ExternalEvent, OpenLineageEvent>()

/** The event that a log entry holds; parsed once, however many look at it. */
export function parsedEvent(entry: ExternalEvent): OpenLineageEvent {
  let event = parsed.get(entry)
  if (event === undefined) {
    event = JSON.parse(entry.text) as OpenLineageEvent
    parsed.set(entry, event)
  }
  return event
}
