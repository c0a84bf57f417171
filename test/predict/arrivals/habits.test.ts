import { setImmediate } from 'node:timers/promises'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { Arrivals } from '../../../src/predict/arrivals/arrivals.js'
import { findHabits } from '../../../src/predict/arrivals/habit.js'
import { Habits } from '../../../src/predict/arrivals/habits.js'
import { LocalTime } from '../../../src/predict/arrivals/local-time.js'

vi.mock('../../../src/predict/arrivals/habit.js', { spy: true })

const hour = 3_600_000
const day = 24 * hour
/** A Monday, 00:00 UTC. */
const monday = Date.UTC(2026, 0, 5)

function arrive(
  to: Pick<Habits, 'observe'>,
  at: number,
  fingerprint: string,
  sql = `select '${fingerprint}'`,
  params: Readonly<Record<string, string>> = {},
): void {
  to.observe({ at, tenant: 'acme', fingerprint, sql, params, timeZone: 'UTC', literals: '', datasets: [] })
}

beforeEach(() => {
  vi.mocked(findHabits).mockClear()
})

describe('habits of as many streams as are kept', () => {
  it('looks at a new stream alone', () => {
    const habits = new Habits(new LocalTime())
    for (let i = 0; i < 2000; i++) arrive(habits, monday + i, `t${i}`)
    habits.forecast(monday + hour, day)
    expect(findHabits).toHaveBeenCalledTimes(2000)
    for (let i = 0; i < 5; i++) {
      arrive(habits, monday + hour + i, `new${i}`)
      habits.forecast(monday + hour + i, day)
    }
    expect(findHabits).toHaveBeenCalledTimes(2005)
  })

  it('looks at a stream again once a burst has begun, and not within one', () => {
    const habits = new Habits(new LocalTime())
    for (let d = 0; d < 5; d++) arrive(habits, monday + d * day + 8 * hour, 'board')
    habits.forecast(monday + 4 * day + 8 * hour, day)
    vi.mocked(findHabits).mockClear()
    for (let minute = 1; minute < 10; minute++) {
      const at = monday + 4 * day + 8 * hour + minute * 60_000
      arrive(habits, at, 'board', `select ${minute}`)
      expect(habits.forecast(at, day)).toMatchObject([{ template: 'board', sql: `select ${minute}` }])
    }
    expect(findHabits).not.toHaveBeenCalled()
    arrive(habits, monday + 4 * day + 9 * hour, 'board')
    habits.forecast(monday + 4 * day + 9 * hour, day)
    expect(findHabits).toHaveBeenCalledTimes(1)
  })

  it('looks at no stream again within a burst where it gives way, either', () => {
    const habits = new Habits(new LocalTime())
    for (let d = 0; d < 5; d++) arrive(habits, monday + d * day + 8 * hour, 'board')
    const lookedAt = (at: number): number => {
      vi.mocked(findHabits).mockClear()
      for (const _ of habits.find(at)) continue
      return vi.mocked(findHabits).mock.calls.length
    }
    const begins = monday + 4 * day + 8 * hour
    expect(lookedAt(begins)).toBeGreaterThan(0)
    for (let minute = 1; minute < 10; minute++) {
      arrive(habits, begins + minute * 60_000, 'board')
      expect(lookedAt(begins + minute * 60_000)).toBe(0)
    }
  })

  it('gives way to others while it looks', async () => {
    const arrivals = new Arrivals()
    for (let d = 0; d < 5; d++) for (let i = 0; i < 200; i++) arrive(arrivals, monday + d * day + 8 * hour + i, `t${i}`)
    // Each look at the clock is a millisecond later, however fast the machine is.
    let now = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now++)
    const pending = arrivals.expect(monday + 5 * day, day)
    await setImmediate()
    const looked = vi.mocked(findHabits).mock.calls.length
    expect(looked).toBeGreaterThan(0)
    expect(looked).toBeLessThan(200)
    const expected = await pending
    clock.mockRestore()
    expect(expected).toHaveLength(200)
    expect(arrivals.forecast(monday + 5 * day, day)).toEqual(expected)
    expect(findHabits).toHaveBeenCalledTimes(200)
  })

  it('looks at each stream once when a day begins', () => {
    const habits = new Habits(new LocalTime())
    for (let d = 0; d < 5; d++) for (let i = 0; i < 10; i++) arrive(habits, monday + d * day + (8 + i) * hour, `t${i}`)
    const saturday = monday + 5 * day
    expect(habits.forecast(saturday + hour, day)).toHaveLength(10)
    expect(findHabits).toHaveBeenCalledTimes(10)
    habits.forecast(saturday + day, day)
    expect(findHabits).toHaveBeenCalledTimes(20)
  })
})

describe('texts', () => {
  const long = 'x'.repeat(60_000)

  it('are kept within bounds, the latest ones', () => {
    const habits = new Habits(new LocalTime())
    for (let i = 0; i < 400; i++) {
      for (const at of [monday, monday + day]) arrive(habits, at + i, `t${i}`, `select '${i}', '${long}'`)
    }
    expect(JSON.stringify(habits.snapshot()).length).toBeLessThan(9_000_000)
    expect(habits.text('acme', 't0', monday)).toBeUndefined()
    expect(habits.text('acme', 't399', monday)?.sql).toContain('399')
    const restored = new Habits(new LocalTime())
    restored.restore(habits.snapshot())
    expect(restored.snapshot()).toEqual(habits.snapshot())
  })

  it('are not kept, nor expected, where they or their parameters are longer than any should be', () => {
    const arrivals = new Arrivals()
    const expected = () =>
      arrivals
        .forecast(monday + 4 * day, day)
        .map(({ template }) => template)
        .sort()
    for (let d = 0; d < 4; d++) {
      arrive(arrivals, monday + d * day + hour, 'short', 'select 1')
      arrive(arrivals, monday + d * day + hour, 'long', `select '${long}', '${long}'`)
      arrive(arrivals, monday + d * day + hour, 'bound', 'select $a, $b', { a: long, b: long })
    }
    expect(expected()).toEqual(['short'])
    expect(JSON.stringify(arrivals.snapshot()).length).toBeLessThan(10_000)
    arrive(arrivals, monday + 3 * day + 2 * hour, 'long', 'select 2')
    expect(expected()).toEqual(['long', 'short'])
  })
})
