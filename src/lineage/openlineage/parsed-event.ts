import type { ExternalEvent } from '../../model/lineage-event.js'
import type { OpenLineageEvent } from './open-lineage-event.js'

let last: { readonly entry: ExternalEvent; readonly event: OpenLineageEvent } | undefined

/** The event that a log entry holds; parsed once while several look at it, one after the other. */
export function parsedEvent(entry: ExternalEvent): OpenLineageEvent {
  if (last?.entry !== entry) last = { entry, event: JSON.parse(entry.text) as OpenLineageEvent }
  return last.event
}
