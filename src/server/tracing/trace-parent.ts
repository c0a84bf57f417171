/** The headers of W3C Trace Context, level 1, as a caller may send them. */
export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
  readonly flags: number
  readonly state?: string
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

const form = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/
const stateLengthMax = 512

/** What a caller's headers say; undefined when there is none or it is not valid, since a trace must never cost a query. */
export function readTraceContext(headers: Headers): TraceContext | undefined {
  const { traceparent, tracestate } = headers
  const match = typeof traceparent === 'string' ? form.exec(traceparent) : null
  if (match === null) return undefined
  const [, version = '', traceId = '', spanId = '', flags = '', more] = match
  // Version ff is forbidden, and version 00 has nothing behind its flags.
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  const state = typeof tracestate === 'string' && tracestate.length <= stateLengthMax ? tracestate : undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & 1, ...(state === undefined ? {} : { state }) }
}

/** The header `traceparent` of a span. */
export function traceParent({ traceId, spanId, flags }: Omit<TraceContext, 'state'>): string {
  return `00-${traceId}-${spanId}-0${flags & 1}`
}
