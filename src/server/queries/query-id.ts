import { randomBytes } from 'node:crypto'

/** A new id: `q-`, the time in base 36 (so that ids sort by time), and 48 random bits. */
export function newQueryId(now: number): string {
  return `q-${now.toString(36).padStart(9, '0')}-${randomBytes(6).toString('hex')}`
}
