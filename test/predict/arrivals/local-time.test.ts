import { describe, expect, it } from 'vitest'
import { dayMs, LocalTime } from '../../../src/predict/arrivals/local-time.js'

const time = new LocalTime()
const dayOf = (year: number, month: number, day: number) => Date.UTC(year, month - 1, day) / dayMs
const utc = (at: number) => new Date(at).toISOString().slice(0, 16)

describe('moments of a wall clock', () => {
  it.each([
    ['Europe/Berlin', dayOf(2026, 3, 28), '2026-03-28T08:00', '2026-03-29T07:00'],
    ['Europe/Berlin', dayOf(2026, 10, 24), '2026-10-24T07:00', '2026-10-25T08:00'],
    ['America/New_York', dayOf(2026, 3, 7), '2026-03-07T14:00', '2026-03-08T13:00'],
    ['Australia/Sydney', dayOf(2026, 4, 4), '2026-04-03T22:00', '2026-04-04T23:00'],
    ['Australia/Sydney', dayOf(2026, 10, 3), '2026-10-02T23:00', '2026-10-03T22:00'],
    ['Australia/Lord_Howe', dayOf(2026, 10, 3), '2026-10-02T22:30', '2026-10-03T22:00'],
    ['America/Santiago', dayOf(2026, 9, 5), '2026-09-05T13:00', '2026-09-06T12:00'],
  ])('keep nine o’clock in %s over a change of the clock', (zone, day, before, after) => {
    for (const [date, at] of [
      [day, before],
      [day + 1, after],
    ] as const) {
      const { first, last, shown } = time.moments(date, 9 * 60, zone)
      expect([utc(first), last, shown]).toEqual([at, first, true])
      expect(time.local(first, zone)).toMatchObject({ day: date, minute: 9 * 60 })
      expect(time.day(first, zone)).toBe(date)
    }
  })

  it.each([
    ['Europe/Berlin', dayOf(2026, 10, 25), 150, '2026-10-25T00:30', '2026-10-25T01:30'],
    ['Australia/Sydney', dayOf(2026, 4, 5), 150, '2026-04-04T15:30', '2026-04-04T16:30'],
    ['Australia/Lord_Howe', dayOf(2026, 4, 5), 105, '2026-04-04T14:45', '2026-04-04T15:15'],
  ])('come twice in %s where the clock is put back', (zone, day, minute, first, last) => {
    const moments = time.moments(day, minute, zone)
    expect([utc(moments.first), utc(moments.last), moments.shown]).toEqual([first, last, true])
  })

  it.each([
    ['Europe/Berlin', dayOf(2026, 3, 29), 150, '2026-03-29T01:30'],
    ['Australia/Sydney', dayOf(2026, 10, 4), 150, '2026-10-03T16:30'],
    ['America/Santiago', dayOf(2026, 9, 6), 30, '2026-09-06T04:30'],
  ])('are never shown in %s where the clock leaves them out', (zone, day, minute, instead) => {
    const moments = time.moments(day, minute, zone)
    expect([utc(moments.first), moments.last, moments.shown]).toEqual([instead, moments.first, false])
  })

  it('are those of UTC in a zone that nobody knows', () => {
    expect(time.moments(20_000, 60, 'Mars/Olympus')).toEqual({
      first: 20_000 * dayMs + 3_600_000,
      last: 20_000 * dayMs + 3_600_000,
      shown: true,
    })
  })
})
