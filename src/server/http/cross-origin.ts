/**
 * Lets pages of `allowedOrigins` read answers. A browser sends such a page's requests, but keeps the answers from it unless their
 * headers name its origin, and asks first (OPTIONS, a preflight) before it sends what a form could not, as any JSON (CORS protocol
 * of the Fetch standard). Every other origin has been refused by the guard.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** Headers of every answer to a page of another origin that is allowed. */
export function crossOriginHeaders(origin: string): Record<string, string> {
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'location, retry-after, traceparent, x-forebay-query-id',
    'cross-origin-resource-policy': 'cross-origin',
    vary: 'origin',
  }
}

/** What such a page may send. Headers are named one by one: `*` would leave out `authorization`. */
export const preflightHeaders = {
  'access-control-allow-methods': 'GET, HEAD, POST, DELETE',
  'access-control-allow-headers':
    'accept, authorization, content-encoding, content-type, idempotency-key, last-event-id, traceparent, tracestate, x-forebay-query-id',
  'access-control-max-age': '600',
}

/** Whether a browser asks on behalf of a page what it may send. It brings no token yet. */
export function isPreflight(method: string, headers: IncomingHttpHeaders): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}
