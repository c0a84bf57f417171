import type { LineageEdge } from '../lineage-store.js'
import { joinDays } from './graph-delta.js'

/** Per-day counts as one text, `day:count day:count`, ascending. */
export function printDays(days: LineageEdge['days']): string {
  return days.map(([day, count]) => `${day}:${count}`).join(' ')
}

/** The counts of such a text. */
export function parseDays(text: string): LineageEdge['days'] {
  if (text === '') return []
  return text.split(' ').map((entry) => {
    const colon = entry.indexOf(':')
    return [Number(entry.slice(0, colon)), Number(entry.slice(colon + 1))] as const
  })
}

/** Adds two such texts. Most often both end on the same single day. */
export function mergeDays(a: string, b: string): string {
  return printDays(joinDays(parseDays(a), parseDays(b)))
}
