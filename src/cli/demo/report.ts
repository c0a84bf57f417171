import type { LedgerEntry } from '../../model/forecast.js'
import type { Asked, Week } from './run-week.js'
import { dayMs } from './workload.js'

const barWidth = 40

/** Middle value of some numbers; 0 of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** sorted[floor(p · n)], 0 of none. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? 0
}

export function firstAfterIdle(week: Week): readonly Asked[] {
  return week.asked.filter((question) => question.recurring && question.firstAfterIdle)
}

/** Waits of one run in words: count, p50, p95, worst. */
export function waits(questions: readonly Asked[]): string {
  const values = questions.map((question) => question.waitMs)
  return `${questions.length} questions, p50 ${ms(median(values))}, p95 ${ms(quantile(values, 0.95))}, worst ${ms(Math.max(0, ...values))}`
}

/** Mean wait of the first recurring question after idle by day, one bar per run, on one scale. */
export function chart(runs: readonly { readonly name: string; readonly week: Week }[], from: number): readonly string[] {
  const days = Array.from({ length: 7 }, (_, day) => ({
    label: new Date(from + day * dayMs).toUTCString().slice(0, 3),
    means: runs.map(({ week }) => {
      const of = firstAfterIdle(week).filter((question) => Math.floor((question.at - from) / dayMs) === day)
      return of.length === 0 ? undefined : of.reduce((sum, question) => sum + question.waitMs, 0) / of.length
    }),
  }))
  const longest = Math.max(1, ...days.flatMap((day) => day.means.map((mean) => mean ?? 0)))
  return days.flatMap((day) =>
    day.means.flatMap((mean, run) =>
      mean === undefined
        ? []
        : [
            `${day.label} ${(runs[run]?.name ?? '').padEnd(9)} ${'█'.repeat(Math.max(1, Math.round((mean / longest) * barWidth)))} ${ms(mean)}`,
          ],
    ),
  )
}

export interface LedgerSummary {
  readonly actions: number
  readonly used: number
  readonly wasted: number
  readonly heldOut: number
  readonly expectedMs: number
  readonly measuredMs: number
}

export function summarise(entries: readonly LedgerEntry[]): LedgerSummary {
  const acted = entries.filter((entry) => entry.outcome === 'used' || entry.outcome === 'wasted')
  const total = (of: (entry: LedgerEntry) => number): number => acted.reduce((sum, entry) => sum + of(entry), 0)
  return {
    actions: acted.length,
    used: acted.filter((entry) => entry.outcome === 'used').length,
    wasted: acted.filter((entry) => entry.outcome === 'wasted').length,
    heldOut: new Set(entries.filter((entry) => entry.outcome === 'held-out').map((entry) => entry.forecastId)).size,
    expectedMs: total((entry) => entry.expectedBenefitMs),
    measuredMs: total((entry) => entry.measuredBenefitMs ?? 0),
  }
}

/** Milliseconds with a unit that reads well. */
export function ms(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : value >= 10 ? `${value.toFixed(0)} ms` : `${value.toFixed(1)} ms`
}

export function gigabyteHours(byteSeconds: number): string {
  return `${(byteSeconds / 1e9 / 3600).toFixed(2)} GB·h`
}
