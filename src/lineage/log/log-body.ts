import type { ExternalEvent, LineageEvent } from '../../model/lineage-event.js'

const externalHead = '{"kind":"openlineage","id":"'
const textMark = ',"event":'

/**
 * An event as the log keeps it: JSON. What another program sent stands in it as it came, byte for byte, and is neither parsed
 * nor printed anew on its way to the disk.
 */
export function logBody(event: LineageEvent): string {
  if (event.kind !== 'openlineage') return JSON.stringify(event)
  return `${externalHead}${event.id}","at":${event.at}${textMark}${event.text}}`
}

/** The event that a body of the log stands for. */
export function loggedEvent(body: string): LineageEvent {
  if (!body.startsWith(externalHead)) return JSON.parse(body) as LineageEvent
  const from = body.indexOf(textMark)
  const head = JSON.parse(`${body.slice(0, from)}}`) as Pick<ExternalEvent, 'kind' | 'id' | 'at'>
  return { ...head, text: body.slice(from + textMark.length, -1) }
}
