import { describe, expect, it, vi } from 'vitest'
import type { Forecast } from '../../../src/model/forecast.js'
import { Arrivals } from '../../../src/predict/arrivals/arrivals.js'
import { Habits } from '../../../src/predict/arrivals/habits.js'
import { LocalTime } from '../../../src/predict/arrivals/local-time.js'
import { NextQueryModel } from '../../../src/predict/arrivals/next-query.js'
import { Sessions } from '../../../src/predict/arrivals/sessions.js'
import type { Arrival } from '../../../src/predict/prediction.js'
import { seeded } from '../seeded.js'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
/** A Monday, 00:00 UTC. */
const monday = Date.UTC(2026, 0, 5)

function query(fingerprint: string): Arrival {
  return { at: monday, tenant: 'acme', fingerprint, sql: 'select 1', params: {}, timeZone: 'UTC', literals: '', datasets: [] }
}

function arrive(
  arrivals: Arrivals,
  at: number,
  template = 'dash',
  options: { sql?: string; timeZone?: string; tenant?: string; datasets?: string[] } = {},
) {
  arrivals.observe({
    at,
    tenant: options.tenant ?? 'acme',
    fingerprint: template,
    sql: options.sql ?? `select '${template}'`,
    params: {},
    timeZone: options.timeZone ?? 'UTC',
    literals: '',
    datasets: options.datasets ?? [],
  })
}

/** The next day's forecasts of a template, asked at its midnight. */
function ahead(arrivals: Arrivals, at: number, template = 'dash'): readonly Forecast[] {
  return arrivals.forecast(at, day).filter((forecast) => forecast.template === template)
}

describe('habits', () => {
  it('forecasts a dashboard of working days near its minute, and leaves weekends alone', () => {
    const arrivals = new Arrivals()
    const random = seeded(1)
    for (let d = 0; d < 19; d++) {
      const asked = ahead(arrivals, monday + d * day)
      const weekday = d % 7
      if (d >= 7) {
        expect(asked.length, `day ${d}`).toBe(weekday < 5 ? 1 : d > 12 ? 0 : asked.length)
        if (weekday < 5) {
          const due = monday + d * day + 8.5 * hour
          expect(Math.abs((asked[0]?.at ?? 0) - due)).toBeLessThan(4 * minute)
          expect(asked[0]?.probability).toBeGreaterThan(0.7)
        }
      }
      if (weekday < 5) arrive(arrivals, monday + d * day + 8.5 * hour + (random() - 0.5) * 6 * minute)
    }
  })

  it('speaks after three occurrences, once a day, and no more when it was met', () => {
    const arrivals = new Arrivals()
    for (let d = 0; d < 3; d++) arrive(arrivals, monday + d * day + 9 * hour)
    const thursday = monday + 3 * day
    expect(ahead(arrivals, thursday)).toHaveLength(1)
    const id = ahead(arrivals, thursday)[0]?.id
    expect(ahead(arrivals, thursday + 5 * hour)[0]?.id).toBe(id)
    arrive(arrivals, thursday + 9 * hour + minute)
    expect(arrivals.forecast(thursday + 9 * hour + 2 * minute, hour)).toEqual([])
  })

  it('counts a burst as one arrival', () => {
    const arrivals = new Arrivals()
    for (let i = 0; i < 50; i++) arrive(arrivals, monday + 9 * hour + i * 1000)
    expect(ahead(arrivals, monday + day)).toEqual([])
  })

  it('keeps to the wall clock when daylight saving begins', () => {
    const arrivals = new Arrivals()
    // Berlin changes on 29 March 2026: 08:30 local is 07:30 UTC before and 06:30 UTC after.
    const friday = Date.UTC(2026, 2, 27)
    for (let d = -12; d <= 0; d++) {
      const at = friday + d * day
      if (new Date(at).getUTCDay() % 6 !== 0) arrive(arrivals, at + 7.5 * hour, 'dash', { timeZone: 'Europe/Berlin' })
    }
    const next = ahead(arrivals, friday + 3 * day)
    expect(next).toHaveLength(1)
    expect(Math.abs((next[0]?.at ?? 0) - (friday + 3 * day + 6.5 * hour))).toBeLessThan(minute)
  })

  it('still expects a daily dashboard on a weekday that it missed twice by chance', () => {
    const arrivals = new Arrivals()
    const missed = [10, 17]
    for (let d = 0; d < 24; d++) if (!missed.includes(d)) arrive(arrivals, monday + d * day + 9 * hour)
    expect(ahead(arrivals, monday + 24 * day)).toHaveLength(1)
  })

  it('forecasts a weekly report on its weekday only', () => {
    const arrivals = new Arrivals()
    for (let week = 0; week < 4; week++) arrive(arrivals, monday + week * 7 * day + 6 * hour)
    const spoken = Array.from({ length: 7 }, (_, d) => ahead(arrivals, monday + (28 + d) * day).length)
    expect(spoken).toEqual([1, 0, 0, 0, 0, 0, 0])
  })

  it('is silent within three occurrences after a habit stops', () => {
    const arrivals = new Arrivals()
    for (let d = 0; d < 20; d++) arrive(arrivals, monday + d * day + 10 * hour)
    const spoken = [20, 21, 22, 23, 24, 25].map((d) => ahead(arrivals, monday + d * day).length)
    expect(spoken.slice(3)).toEqual([0, 0, 0])
  })

  it('follows within three occurrences when a habit moves by an hour', () => {
    const arrivals = new Arrivals()
    for (let d = 0; d < 20; d++) arrive(arrivals, monday + d * day + 10 * hour)
    for (let d = 20; d < 30; d++) {
      const asked = ahead(arrivals, monday + d * day)
      if (d >= 23) {
        expect(asked, `day ${d}`).toHaveLength(1)
        expect(Math.abs((asked[0]?.at ?? 0) - (monday + d * day + 11 * hour))).toBeLessThan(5 * minute)
      }
      arrive(arrivals, monday + d * day + 11 * hour)
    }
  })

  it('that moves by an hour keeps how early and late it comes', () => {
    let met = 0
    for (let seed = 1; seed <= 20; seed++) {
      const arrivals = new Arrivals()
      const random = seeded(seed)
      const about = (at: number): number => at + (random() - 0.5) * 30 * minute
      for (let d = 0; d < 40; d++) arrive(arrivals, about(monday + d * day + 10 * hour))
      for (let d = 40; d < 50; d++) {
        const at = about(monday + d * day + 11 * hour)
        if (d >= 43 && ahead(arrivals, monday + d * day).some(({ from, until }) => from <= at && at <= until)) met++
        arrive(arrivals, at)
      }
    }
    expect(met / (20 * 7)).toBeGreaterThanOrEqual(0.75)
  })

  it('says when it comes also where it has moved to the evening before', () => {
    const arrivals = new Arrivals()
    for (let d = 0; d < 14; d++) arrive(arrivals, monday + d * day + 20 * minute)
    for (let d = 14; d < 17; d++) arrive(arrivals, monday + d * day - 20 * minute)
    const [forecast] = ahead(arrivals, monday + 16 * day + 12 * hour)
    expect(forecast?.at).toBe(monday + 17 * day - 20 * minute)
    expect(forecast?.why).toMatch(/^came near 23:40 UTC .* on Wednesdays$/)
  })

  it.each([
    { varies: 15, days: 40, atLeast: 0.92 },
    { varies: 15, days: 100, atLeast: 0.92 },
    { varies: 40, days: 40, atLeast: 0.8 },
    { varies: 40, days: 100, atLeast: 0.8 },
  ])('that moves by an hour is met as before, and as narrowly, though it varies by $varies minutes ($days days)', (habit) => {
    let met = 0
    let [wideBefore, wideAfter] = [0, 0]
    for (let seed = 1; seed <= 30; seed++) {
      const arrivals = new Arrivals()
      const random = seeded(seed)
      const about = (at: number): number => at + (random() - 0.5) * 2 * habit.varies * minute
      const wide = (asked: readonly Forecast[]): number => asked.reduce((sum, { from, until }) => sum + until - from, 0)
      for (let d = 0; d < habit.days + 10; d++) {
        const moved = d >= habit.days
        const at = about(monday + d * day + (moved ? 11 : 10) * hour)
        const asked = d >= habit.days - 7 ? ahead(arrivals, monday + d * day) : []
        if (d >= habit.days + 3 && asked.some(({ from, until }) => from <= at && at <= until)) met++
        if (d >= habit.days + 3) wideAfter += wide(asked)
        else if (!moved) wideBefore += wide(asked)
        arrive(arrivals, at)
      }
    }
    expect(met / (30 * 7)).toBeGreaterThanOrEqual(habit.atLeast)
    expect(wideAfter / wideBefore).toBeLessThanOrEqual(1.25)
  })

  it.each([
    { from: [9, 17], to: [10, 18] },
    { from: [9, 17], to: [8, 16] },
    { from: [9, 11], to: [10, 12] },
  ])('follows within three occurrences when every hour of $from becomes every hour of $to', ({ from, to }) => {
    const arrivals = new Arrivals()
    const random = seeded(3)
    const hours = ([first, last]: readonly number[]): readonly number[] =>
      Array.from({ length: (last as number) - (first as number) + 1 }, (_, i) => (first as number) + i)
    for (let d = 0; d < 30; d++) {
      const asked = ahead(arrivals, monday + d * day)
      const due = hours(d < 20 ? from : to)
      if (d >= 23)
        expect(
          asked.map(({ at }) => Math.round((at - monday - d * day) / hour)),
          `day ${d}`,
        ).toEqual(due)
      for (const time of due) arrive(arrivals, monday + d * day + time * hour + (random() - 0.5) * 4 * minute)
    }
  })

  it('follows on the next day but one where several times of the day move at once', () => {
    const arrivals = new Arrivals()
    const times = [8, 12, 16]
    for (let d = 0; d < 30; d++) for (const time of times) arrive(arrivals, monday + d * day + time * hour)
    for (let d = 30; d < 36; d++) {
      const asked = ahead(arrivals, monday + d * day)
      if (d >= 32) expect(asked.map(({ at }) => (at - monday) / hour - 24 * d)).toEqual([9, 13, 17])
      for (const time of times) arrive(arrivals, monday + d * day + (time + 1) * hour)
      if (d >= 32) expect(arrivals.forecast(monday + (d * 24 + 17) * hour + minute, hour)).toEqual([])
    }
  })

  it.each([1, 2, 3, 4, 5, 6])('has next to nothing to say on random arrivals (seed %i)', (seed) => {
    const arrivals = new Arrivals()
    const random = seeded(seed)
    const rates = [0.5, 2, 6, 20, 80]
    const events = rates.flatMap((perDay, i) => {
      const times: number[] = []
      for (let at = 0; at < 28 * day; at += (-Math.log(1 - random()) * day) / perDay) times.push(at)
      return times.slice(1).map((at) => ({ at, template: `t${i}` }))
    })
    let spoken = 0
    let today = 0
    for (const { at, template } of events.sort((a, b) => a.at - b.at)) {
      for (; today < at; today += 6 * hour) spoken += arrivals.forecast(monday + today, 6 * hour).length
      arrive(arrivals, monday + at, template)
    }
    expect(spoken / events.length).toBeLessThan(0.02)
  })

  it('moves dates that follow the day of the query, and leaves others', () => {
    const arrivals = new Arrivals()
    for (let d = 0; d < 4; d++) {
      const yesterday = new Date(monday + (d - 1) * day).toISOString().slice(0, 10)
      arrive(arrivals, monday + d * day + 9 * hour, 'dash', {
        sql: `select sum(x) from t where d = '${yesterday}' and e > '2020-01-01'`,
      })
    }
    expect(ahead(arrivals, monday + 4 * day)[0]?.sql).toBe("select sum(x) from t where d = '2026-01-08' and e > '2020-01-01'")
  })
})

describe('triggers', () => {
  it('expects the reader of a dataset after a learned delay from its write', () => {
    const arrivals = new Arrivals()
    const random = seeded(7)
    let at = monday
    for (let i = 0; i < 8; i++) {
      at += (5 + 20 * random()) * hour
      arrivals.written('orders', at)
      arrive(arrivals, at + 10 * minute + random() * minute, 'report', { datasets: ['orders'] })
    }
    at += 9 * hour
    expect(arrivals.forecast(at, hour)).toEqual([])
    arrivals.written('orders', at)
    const [forecast] = arrivals.forecast(at, hour)
    expect(forecast).toMatchObject({ source: 'trigger', template: 'report' })
    expect(Math.abs((forecast?.at ?? 0) - (at + 10.5 * minute))).toBeLessThan(minute)
  })

  it('leaves the word to a habit that says more precisely when', () => {
    const arrivals = new Arrivals()
    const random = seeded(9)
    for (let d = 0; d < 19; d++) {
      arrivals.written('orders', monday + d * day + 3 * hour * random())
      if (d % 7 < 5) arrive(arrivals, monday + d * day + 8 * hour + 4 * minute * random(), 'dash', { datasets: ['orders'] })
    }
    const saturday = monday + 19 * day
    arrivals.written('orders', saturday + hour)
    expect(arrivals.forecast(saturday + 2 * hour, day)).toEqual([])
    const next = ahead(arrivals, saturday + 2 * day)
    expect(next.map(({ source }) => source)).toEqual([next[0]?.source])
    expect(next[0]?.source).not.toBe('trigger')
  })

  it('says nothing where readers come all the time anyway', () => {
    const arrivals = new Arrivals()
    const random = seeded(8)
    let next = monday
    for (let i = 0; i < 400; i++) {
      if (i % 40 === 0) arrivals.written('orders', next + 1)
      next += -Math.log(1 - random()) * 5 * minute
      arrive(arrivals, next, 'report', { datasets: ['orders'] })
    }
    arrivals.written('orders', next + 1)
    expect(arrivals.forecast(next + 2, hour).filter((forecast) => forecast.source === 'trigger')).toEqual([])
  })
})

describe('sequences', () => {
  it('expects the next query of a session, once that has proven right', () => {
    const arrivals = new Arrivals()
    const random = seeded(9)
    let at = monday
    for (let i = 0; i < 40; i++) {
      at += (1 + 30 * random()) * hour
      for (const template of ['open', 'detail', 'export']) arrive(arrivals, (at += minute), template)
    }
    at += 12 * hour
    arrive(arrivals, at, 'open')
    const spoken = arrivals.forecast(at, 10 * minute).filter((forecast) => forecast.source === 'sequence')
    expect(spoken.map((forecast) => forecast.template)).toEqual(['detail'])
    expect(Math.abs((spoken[0]?.at ?? 0) - at - minute)).toBeLessThan(10_000)
  })

  it('that stop are expected three times more at most, though others go on', () => {
    const arrivals = new Arrivals()
    const random = seeded(9)
    // Of others the same has always been true, and still is.
    const users = ['acme', 'b', 'c', 'd', 'e']
    let expected = 0
    let at = monday
    for (let i = 0; i < 60; i++) {
      for (const tenant of users) {
        at += (3 + 9 * random()) * hour
        arrive(arrivals, at, 'open', { tenant })
        const stopped = i >= 40 && tenant === 'acme'
        if (stopped)
          expected += arrivals.forecast(at, hour).filter((one) => one.source === 'sequence' && one.tenant === tenant).length
        if (!stopped) arrive(arrivals, at + minute, 'detail', { tenant })
      }
    }
    expect(expected).toBeGreaterThan(0)
    expect(expected).toBeLessThanOrEqual(3)
  })

  it('that change are followed after three times, though others go on as before', () => {
    const random = seeded(9)
    const model = new NextQueryModel()
    const users = ['acme', 'b', 'c', 'd', 'e']
    const firstSaid: number[] = []
    for (let i = 0; i < 400; i++) {
      const moves = Math.floor(i / 50)
      const said = model.next('acme', 'open')
      if (i % 50 === 0) firstSaid[moves] = Number.POSITIVE_INFINITY
      if (said?.speaks && said.key === `detail${moves}`) firstSaid[moves] = Math.min(firstSaid[moves] as number, i % 50)
      for (const user of users) {
        const usual = user === 'acme' ? `detail${moves}` : 'detail0'
        model.observe(user, 'open', usual)
        for (const before of ['list', 'export'])
          model.observe(user, before, random() < 0.9 ? `${before}ed` : `other${Math.floor(random() * 9)}`)
      }
    }
    expect(Math.max(...firstSaid.slice(1))).toBeLessThanOrEqual(3)
  })

  it('that vary are not taken for changes', () => {
    let [said, right] = [0, 0]
    for (let seed = 1; seed <= 20; seed++) {
      const random = seeded(seed)
      const model = new NextQueryModel()
      for (let i = 0; i < 600; i++) {
        for (const [before, share] of [
          ['open', 0.95],
          ['list', 0.5],
        ] as const) {
          const key = random() < share ? `${before}ed` : `${before} else`
          const next = model.next('acme', before)
          if (next?.speaks) said++
          if (next?.speaks && next.key === key) right++
          model.observe('acme', before, key)
        }
      }
    }
    expect(right / said).toBeGreaterThanOrEqual(0.9)
    expect(said).toBeGreaterThan(10_000)
  })

  it('are guessed of sessions that have not ended alone', () => {
    const arrivals = new Arrivals()
    for (let i = 0; i < 50; i++) arrive(arrivals, monday, 'open', { tenant: `ended${i}` })
    arrive(arrivals, monday + hour, 'open', { tenant: 'here' })
    const next = vi.spyOn(NextQueryModel.prototype, 'next')
    arrivals.forecast(monday + hour + minute, hour)
    expect(next.mock.calls.map(([tenant]) => tenant)).toEqual(['here'])
    next.mockRestore()
  })
})

describe('an old log that is learned while queries come', () => {
  it('adds its days to habits, and leaves the text and the zone as they are', () => {
    const old = [0, 1, 2, 3, 4].map((d) => ({ at: monday + d * day + 9 * hour, sql: 'select old', timeZone: 'UTC' }))
    const live = [7, 8].map((d) => ({ at: monday + d * day + 9 * hour, sql: 'select new', timeZone: 'Africa/Abidjan' }))
    const after = [live[0], old[2], old[0], live[1], old[1], old[3], old[4]]
    const [inOrder, mixed] = [[...old, ...live], after].map((all) => {
      const arrivals = new Arrivals()
      for (const one of all) if (one !== undefined) arrive(arrivals, one.at, 'dash', one)
      return ahead(arrivals, monday + 9 * day)
    })
    expect(mixed).toMatchObject([{ sql: 'select new', timeZone: 'Africa/Abidjan' }])
    expect(mixed).toEqual(inOrder)
  })

  it('knows a burst whose beginning comes later', () => {
    const habits = new Habits(new LocalTime())
    for (const at of [9 * hour, 8 * hour + 56 * minute, 8 * hour + 58 * minute, 8 * hour, 9 * hour + minute]) {
      habits.observe({ ...query('dash'), at: monday + at })
    }
    expect(habits.snapshot().streams[0]?.[1].events).toEqual([monday + 8 * hour, monday + 8 * hour + 56 * minute])
  })

  it('answers no write', () => {
    const arrivals = new Arrivals()
    for (let d = 0; d < 5; d++) {
      arrivals.written('orders', monday + d * day + d * d * hour)
      arrive(arrivals, monday + d * day + d * d * hour + 10 * minute, 'report', { datasets: ['orders'] })
    }
    const written = monday + 6 * day
    arrivals.written('orders', written)
    const due = arrivals.forecast(written, hour)
    expect(due).toMatchObject([{ source: 'trigger', template: 'report' }])
    arrive(arrivals, monday - 20 * day, 'report', { datasets: ['orders'] })
    expect(arrivals.forecast(written, hour)).toEqual(due)
  })

  it('goes on with no session, and its queries are no sign of haste', () => {
    const sessions = new Sessions(() => ({ sql: 'select 1', params: {}, timeZone: 'UTC' }))
    const random = seeded(9)
    let at = monday
    for (let i = 0; i < 40; i++) {
      at += (1 + 30 * random()) * hour
      for (const template of ['open', 'detail']) sessions.observe({ ...query(template), at: (at += minute) })
    }
    const follows = vi.spyOn(NextQueryModel.prototype, 'observe')
    for (let i = 0; i < 10_000; i++) sessions.observe({ ...query('detail'), at: monday - (10_000 - i) * 100 * minute })
    expect(follows).not.toHaveBeenCalled()
    follows.mockRestore()
    at += 12 * hour
    sessions.observe({ ...query('open'), at })
    expect(sessions.forecast(at, 10 * minute)).toMatchObject([{ template: 'detail' }])
  })
})

it('forecasts the same after a restart', () => {
  const one = new Arrivals()
  for (let d = 0; d < 10; d++) {
    arrivals(one, d)
    one.written('orders', monday + d * day + 4 * hour)
  }
  const two = new Arrivals()
  two.restore(JSON.parse(JSON.stringify(one.snapshot())))
  expect(two.forecast(monday + 10 * day, day)).toEqual(one.forecast(monday + 10 * day, day))
  expect(one.forecast(monday + 10 * day, day).length).toBeGreaterThan(0)
  expect(JSON.stringify(two.snapshot())).toBe(JSON.stringify(one.snapshot()))

  function arrivals(target: Arrivals, d: number): void {
    arrive(target, monday + d * day + 8.5 * hour, 'dash', { datasets: ['orders'] })
    arrive(target, monday + d * day + 8.5 * hour + minute, 'detail')
  }
})
