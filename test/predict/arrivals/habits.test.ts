import { beforeEach, describe, expect, it, vi } from 'vitest'
import { findHabits } from '../../../src/predict/arrivals/habit.js'
import { Habits } from '../../../src/predict/arrivals/habits.js'
import { LocalTime } from '../../../src/predict/arrivals/local-time.js'

vi.mock('../../../src/predict/arrivals/habit.js', { spy: true })

const hour = 3_600_000
const day = 24 * hour
/** A Monday, 00:00 UTC. */
const monday = Date.UTC(2026, 0, 5)

function arrive(habits: Habits, at: number, fingerprint: string): void {
  habits.observe({
    at,
    tenant: 'acme',
    fingerprint,
    sql: `select '${fingerprint}'`,
    params: {},
    timeZone: 'UTC',
    literals: '',
    datasets: [],
  })
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
})
