import type { RecorderLimits } from '../recorder-port.js'

/** What a recorder keeps when nothing else is said. */
export const defaultLimits: RecorderLimits = {
  logBytesMax: 4 * 2 ** 30,
  eventsMax: 2_000_000,
  eventAgeMsMax: 30 * 86_400_000,
  queriesMax: 100_000,
  inFlightBytesMax: 256 * 2 ** 20,
}

/** Share of a limit at which the log is truncated, so that writers do not meet the limit itself. */
const truncateAtShare = 0.8

/** Share of what a limit allows that stays after a truncation by number or size. */
const keepShare = 0.5

export interface LogExtent {
  readonly events: number
  readonly from: number
  readonly next: number
  readonly bytes: number
  /** Arrival of the oldest event, epoch milliseconds. */
  readonly oldest: number | undefined
}

/** How many of the oldest events must go: 0 when every limit holds. Age is looked up by the caller. */
export function excessEvents(log: LogExtent, limits: RecorderLimits): number {
  let excess = 0
  if (log.events >= limits.eventsMax * truncateAtShare) excess = log.events - Math.floor(limits.eventsMax * keepShare)
  if (log.bytes >= limits.logBytesMax * truncateAtShare) excess = Math.max(excess, Math.ceil(log.events * keepShare))
  return Math.max(0, Math.min(excess, log.events))
}

/** Whether the oldest event is older than allowed, by a tenth, so that truncation comes in steps. */
export function isOld(log: LogExtent, limits: RecorderLimits, now: number): boolean {
  return log.oldest !== undefined && now - log.oldest > limits.eventAgeMsMax * 1.1
}
