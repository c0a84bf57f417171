/**
 * Four weeks of a small company's questions: dashboards that people open at their hours, a nightly load of yesterday's
 * orders, and questions that nobody could foresee. The first three weeks are the old query log that the server learns
 * from; the last one is run. Nothing here knows what the server does with it.
 */
import { seededRandom } from './seeded-random.js'

export const minuteMs = 60_000
export const hourMs = 60 * minuteMs
export const dayMs = 24 * hourMs

/** Monday 2 March 2026, 00:00 UTC: the first day of the week that is run. */
export const weekStart = Date.UTC(2026, 2, 2)
export const historyDays = 30
export const learnedWeeks = 3

export type WorkloadKind = 'dashboard' | 'random'
export type WorkloadEvent =
  | { readonly kind: 'query'; readonly at: number; readonly tenant: string; readonly sql: string; readonly recurring: boolean }
  /** The file of one day's orders arrives in the lake. */
  | { readonly kind: 'load'; readonly at: number; readonly day: string }

interface Habit {
  readonly tenant: string
  readonly minuteOfDay: number
  readonly jitterMinutes: number
  /** 0 is Sunday. */
  readonly weekdays: readonly number[]
  readonly queries: (yesterday: string) => readonly string[]
}

const workdays = [1, 2, 3, 4, 5]
const habits: readonly Habit[] = [
  {
    tenant: 'sales',
    minuteOfDay: 8 * 60 + 30,
    jitterMinutes: 4,
    weekdays: workdays,
    queries: (yesterday) => [
      'SELECT day, sum(amount) AS revenue, count(*) AS orders FROM orders GROUP BY day ORDER BY day',
      `SELECT c.region, p.category, sum(o.amount) AS revenue FROM orders o JOIN customers c ON o.customer_id = c.customer_id
       JOIN products p ON o.product_id = p.product_id GROUP BY c.region, p.category ORDER BY c.region, p.category`,
      `SELECT p.name, sum(o.amount) AS revenue FROM orders o JOIN products p ON o.product_id = p.product_id
       GROUP BY p.name ORDER BY revenue DESC, p.name LIMIT 20`,
      'SELECT channel, count(DISTINCT customer_id) AS customers, avg(amount) AS basket FROM orders GROUP BY channel ORDER BY channel',
      `SELECT channel, extract(hour FROM ordered_at) AS hour, sum(amount) AS revenue FROM orders
       WHERE day = DATE '${yesterday}' GROUP BY ALL ORDER BY ALL`,
    ],
  },
  {
    tenant: 'operations',
    minuteOfDay: 13 * 60,
    jitterMinutes: 5,
    weekdays: workdays,
    queries: (yesterday) => [
      `SELECT product_id, sum(quantity) AS units FROM orders WHERE day = DATE '${yesterday}' GROUP BY product_id
       ORDER BY units DESC, product_id LIMIT 50`,
      `SELECT p.category, sum(o.quantity) AS units, max(o.amount) AS largest FROM orders o
       JOIN products p ON o.product_id = p.product_id GROUP BY p.category ORDER BY p.category`,
    ],
  },
  {
    tenant: 'finance',
    minuteOfDay: 17 * 60,
    jitterMinutes: 5,
    weekdays: workdays,
    queries: () => [
      'SELECT day, sum(amount) AS gross, sum(amount * discount) AS discounts FROM orders GROUP BY day ORDER BY day',
      `SELECT c.segment, count(*) AS orders, sum(o.amount) AS revenue FROM orders o
       JOIN customers c ON o.customer_id = c.customer_id GROUP BY c.segment ORDER BY c.segment`,
    ],
  },
  {
    tenant: 'board',
    minuteOfDay: 7 * 60,
    jitterMinutes: 2,
    weekdays: [1],
    queries: () => ["SELECT date_trunc('week', day) AS week, sum(amount) AS revenue FROM orders GROUP BY week ORDER BY week"],
  },
]

/** Everything that happens between two times, in order. `weeks` counts back from the week that is run. */
export function workload(kind: WorkloadKind, seed: number, from: number, until: number): readonly WorkloadEvent[] {
  const events: WorkloadEvent[] = []
  for (let midnight = from; midnight < until; midnight += dayMs) {
    const random = seededRandom(seed + midnight / dayMs)
    const yesterday = isoDay(midnight - dayMs)
    events.push({ kind: 'load', at: midnight + 3 * hourMs, day: yesterday })
    if (kind === 'dashboard') events.push(...habitsOf(midnight, yesterday, random))
    events.push(...unforeseen(midnight, kind === 'random' ? 10 : 2, random))
  }
  return events.toSorted((a, b) => a.at - b.at)
}

function habitsOf(midnight: number, yesterday: string, random: () => number): readonly WorkloadEvent[] {
  const weekday = new Date(midnight).getUTCDay()
  return habits
    .filter((habit) => habit.weekdays.includes(weekday))
    .flatMap((habit) => {
      const jitter = (random() * 2 - 1) * habit.jitterMinutes
      const opened = midnight + Math.round((habit.minuteOfDay + jitter) * minuteMs)
      return habit.queries(yesterday).map((sql, index) => ({
        kind: 'query' as const,
        at: opened + index * 400,
        tenant: habit.tenant,
        sql,
        recurring: true,
      }))
    })
}

/** Questions at any hour, each with an argument of its own. */
function unforeseen(midnight: number, count: number, random: () => number): readonly WorkloadEvent[] {
  return Array.from({ length: count }, () => {
    const customer = Math.floor(random() * 50_000)
    const limit = 5 + Math.floor(random() * 500)
    const texts = [
      `SELECT count(*) AS orders, sum(amount) AS spent FROM orders WHERE customer_id = ${customer}`,
      `SELECT channel, sum(quantity) AS units FROM orders WHERE amount > ${limit} GROUP BY channel ORDER BY channel`,
      `SELECT region, count(*) AS customers FROM customers WHERE customer_id > ${customer} GROUP BY region ORDER BY region`,
    ]
    const sql = texts[Math.floor(random() * texts.length)] ?? ''
    return { kind: 'query' as const, at: midnight + Math.floor(random() * dayMs), tenant: 'analysts', sql, recurring: false }
  })
}

export function isoDay(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
