/**
 * Who may talk to the server. On loopback there is no token, so any page in a browser of this machine could try: the Host
 * allow-list stops DNS rebinding, the Origin check stops pages of other sites. Elsewhere a token is asked, over TLS.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { ForebayError } from '../../model/errors.js'

export interface GuardOptions {
  readonly token: string | undefined
  /** Host names (without port) by which clients may call the server. Not looked at where a token is asked. */
  readonly hosts: readonly string[]
  /** Origins besides the server's own, e.g. `https://console.example`. */
  readonly origins: ReadonlySet<string>
}

/** Calls that answer without a token, so that supervisors can probe. */
const openPaths = new Set(['/healthz', '/readyz'])

/** Throws UNAUTHORIZED or FORBIDDEN_ORIGIN for a request that must not be served. A preflight brings no token. */
export type Guard = (headers: IncomingHttpHeaders, path: string, isPreflight?: boolean) => void

export function makeGuard(options: GuardOptions): Guard {
  const hosts = new Set(options.hosts.map((host) => host.toLowerCase()))
  const expected = options.token === undefined ? undefined : digest(options.token)
  return (headers, path, isPreflight = false) => {
    if (expected === undefined) checkHost(headers, hosts)
    checkOrigin(headers, options.origins)
    if (expected !== undefined && !isPreflight && !openPaths.has(path)) checkToken(headers, expected)
  }
}

function checkHost(headers: IncomingHttpHeaders, hosts: ReadonlySet<string>): void {
  const name = hostName(headers.host ?? '')
  if (name !== undefined && hosts.has(name)) return
  throw new ForebayError('FORBIDDEN_ORIGIN', `host "${printable(headers.host ?? '')}" is not one that this server answers to`, {
    hint: 'call it by 127.0.0.1 or localhost, or add the name to allowedHosts in the configuration',
  })
}

function checkOrigin(headers: IncomingHttpHeaders, origins: ReadonlySet<string>): void {
  const { origin } = headers
  if (origin !== undefined) {
    if (origins.has(origin) || isSameOrigin(origin, headers.host)) return
    throw foreign(origin)
  }
  // A page's request without Origin (an image, a script) tells by these headers where it comes from; other clients send none.
  const site = headers['sec-fetch-site']
  const navigates = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  if ((site === 'cross-site' || site === 'same-site') && !navigates) throw foreign(site)
}

const foreign = (origin: string): ForebayError =>
  new ForebayError('FORBIDDEN_ORIGIN', `requests from origin "${printable(origin)}" are not served`, {
    hint: 'add the origin to allowedOrigins in the configuration if it is yours',
  })

function isSameOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined) return false
  try {
    const url = new URL(origin)
    return (url.protocol === 'http:' || url.protocol === 'https:') && url.origin === origin && url.host === host.toLowerCase()
  } catch {
    return false
  }
}

function checkToken(headers: IncomingHttpHeaders, expected: Buffer): void {
  const given = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
  if (given !== undefined && timingSafeEqual(digest(given), expected)) return
  throw new ForebayError('UNAUTHORIZED', given === undefined ? 'a token is needed' : 'the token is wrong', {
    hint: 'send the header authorization: Bearer TOKEN; the command line takes --token-file FILE',
  })
}

/** Hashed, so that both sides of the comparison have one length. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

function hostName(host: string): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(host)?.[1]?.toLowerCase()
}

/** Attacker's text in a message: short, and without control characters. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100)
