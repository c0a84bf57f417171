import { describe, expect, it } from 'vitest'
import type { Forecast } from '../../../src/model/forecast.js'
import { Arrivals } from '../../../src/predict/arrivals/arrivals.js'
import { LocalTime } from '../../../src/predict/arrivals/local-time.js'
import { seeded } from '../seeded.js'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
/** A Monday, 00:00 UTC. */
const monday = Date.UTC(2026, 0, 5)
const sales = { tenant: 'sales', hours: [8, 11, 15, 17] }
const company = [
  sales,
  ...['finance', 'board', 'shop', 'plant', 'press'].map((tenant, i) => ({ tenant, hours: [8 + i / 4, 14 + i / 4] })),
]

interface Life {
  readonly arrivals: Arrivals
  /** Lives day `d` until `until` milliseconds after its midnight. */
  live(d: number, until?: number): void
  /** What is forecast at a moment, by tenant and template. */
  expected(at: number): readonly Forecast[]
}

/** Dashboards of working days near their hours, and a job of every night, except where `silent` says that somebody keeps silent. */
function life(silent: (tenant: string, d: number) => boolean, movedFrom = Number.POSITIVE_INFINITY): Life {
  const arrivals = new Arrivals()
  const random = seeded(5)
  const times = (d: number) => {
    const moved = d >= movedFrom ? 1 : 0
    const dashboards = company
      .filter(({ tenant }) => d % 7 < 5 && !silent(tenant, d))
      .flatMap(({ tenant, hours }) => hours.map((at) => ({ tenant, template: `at ${at}`, at: at + moved + random() / 20 })))
    return [{ tenant: 'jobs', template: 'nightly', at: 2 }, { tenant: 'jobs', template: 'evening', at: 20 }, ...dashboards]
  }
  return {
    arrivals,
    live(d, until = day) {
      for (const { tenant, template, at } of times(d).sort((a, b) => a.at - b.at)) {
        if (at * hour < until) arrive(arrivals, tenant, template, monday + d * day + at * hour)
      }
    },
    expected: (at) => arrivals.forecast(at, day - ((at - monday) % day)),
  }
}

function arrive(arrivals: Arrivals, tenant: string, template: string, at: number, timeZone = 'UTC'): void {
  arrivals.observe({
    at,
    tenant,
    fingerprint: template,
    sql: `select '${template}'`,
    params: {},
    timeZone,
    literals: '',
    datasets: [],
  })
}

const tenantsOf = (forecasts: readonly Forecast[]) => [...new Set(forecasts.map(({ tenant }) => tenant))].sort()
const everybody = ['board', 'finance', 'jobs', 'plant', 'press', 'sales', 'shop']

describe('a public holiday', () => {
  it('is noticed when the morning has been silent: people’s afternoon is not prepared, the evening’s job is', () => {
    const { live, expected } = life((_, d) => d === 16)
    for (let d = 0; d < 16; d++) live(d)
    const midnight = monday + 16 * day
    expect(tenantsOf(expected(midnight))).toEqual(everybody)
    live(16, 13 * hour)
    expect(tenantsOf(expected(midnight + 13 * hour))).toEqual(['jobs'])
  })

  it('does not silence an afternoon whose morning came', () => {
    const { live, expected } = life(() => false)
    for (let d = 0; d < 16; d++) live(d)
    live(16, 12 * hour)
    const forecasts = expected(monday + 16 * day + 13 * hour)
    expect(tenantsOf(forecasts)).toEqual(everybody)
    for (const { probability } of forecasts) expect(probability).toBeGreaterThan(0.85)
  })

  it('breaks no habit, also of two days on end', () => {
    const holidays = [17, 18]
    const { live, expected } = life((_, d) => holidays.includes(d))
    const usual = life(() => false)
    for (let d = 0; d < 21; d++) for (const { live: lived } of [{ live }, usual]) lived(d)
    const back = expected(monday + 21 * day)
    expect(tenantsOf(back)).toEqual(everybody)
    for (const forecast of back) {
      const without = usual
        .expected(monday + 21 * day)
        .find(({ tenant, template }) => tenant === forecast.tenant && template === forecast.template)
      expect(forecast.probability).toBeGreaterThan((without?.probability ?? 1) - 0.05)
    }
  })

  it('is not one for a tenant that works on it', () => {
    const { live, expected } = life((tenant, d) => d === 16 && tenant !== 'sales')
    for (let d = 0; d < 16; d++) live(d)
    live(16, 13 * hour)
    expect(tenantsOf(expected(monday + 16 * day + 13 * hour))).toEqual(['jobs', 'sales'])
  })
})

describe('a tenant', () => {
  it('that is away alone is not prepared for, and has its habits when it is back', () => {
    const { live, expected } = life((tenant, d) => tenant === 'sales' && (d === 16 || d === 17))
    for (let d = 0; d < 16; d++) live(d)
    live(16, 12 * hour)
    expect(tenantsOf(expected(monday + 16 * day + 12 * hour))).toEqual(everybody.filter((tenant) => tenant !== 'sales'))
    live(17)
    expect(expected(monday + 18 * day).filter(({ tenant }) => tenant === 'sales')).toHaveLength(sales.hours.length)
  })

  it('that stops altogether is not expected after three working days', () => {
    const { live, expected } = life((tenant, d) => tenant === 'sales' && d >= 14)
    for (let d = 0; d < 14; d++) live(d)
    const spoken = [14, 15, 16, 17, 18, 19, 20, 21, 22].map((d) => {
      const forecasts = expected(monday + d * day).filter(({ tenant }) => tenant === 'sales')
      live(d)
      return forecasts.length
    })
    expect(spoken.slice(0, 2)).toEqual([4, 4])
    expect(spoken.slice(3)).toEqual([0, 0, 0, 0, 0, 0])
  })

  it('among others that all stop is not expected after three working days either', () => {
    const { live, expected } = life((_, d) => d >= 14)
    for (let d = 0; d < 14; d++) live(d)
    const spoken = [14, 15, 16, 17, 18, 19, 20, 21, 22].map((d) => {
      const forecasts = tenantsOf(expected(monday + d * day))
      live(d)
      return forecasts.length
    })
    expect(spoken.slice(3)).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('is followed within three days where all move by an hour together', () => {
    const { live, expected } = life(() => false, 14)
    for (let d = 0; d < 17; d++) live(d)
    for (const d of [17, 18]) {
      const forecasts = expected(monday + d * day).filter(({ tenant }) => tenant === 'sales')
      const hours = forecasts.map(({ at }) => Math.round(((at - monday) % day) / hour))
      expect(hours, `day ${d}`).toEqual(sales.hours.map((at) => at + 1))
      live(d)
    }
  })
})

describe('changes of the clock', () => {
  const time = new LocalTime()
  const local = (date: number, clock: number, zone: string) => time.moments(date / day, clock * 60, zone).first

  /** What is expected on `date` of something that came at `clock` on each of the 20 days before it. */
  function expectedOn(date: number, clock: number, zone: string): readonly Forecast[] {
    const arrivals = new Arrivals()
    for (let d = 20; d > 0; d--) arrive(arrivals, 'team', 'dash', local(date - d * day, clock, zone), zone)
    return arrivals.forecast(local(date, 0, zone), 20 * hour)
  }

  it.each([
    ['Europe/Berlin', Date.UTC(2026, 2, 29), Date.UTC(2026, 2, 29, 7)],
    ['Europe/Berlin', Date.UTC(2026, 9, 25), Date.UTC(2026, 9, 25, 8)],
    ['America/New_York', Date.UTC(2026, 10, 1), Date.UTC(2026, 10, 1, 14)],
    ['Australia/Sydney', Date.UTC(2026, 3, 5), Date.UTC(2026, 3, 4, 23)],
    ['Australia/Sydney', Date.UTC(2026, 9, 4), Date.UTC(2026, 9, 3, 22)],
  ])('leave nine o’clock in %s at nine', (zone, date, due) => {
    const forecasts = expectedOn(date, 9, zone)
    expect(forecasts.map(({ at }) => at)).toEqual([due])
  })

  it.each([
    ['Europe/Berlin', Date.UTC(2026, 9, 25), Date.UTC(2026, 9, 25, 0, 30)],
    ['Australia/Sydney', Date.UTC(2026, 3, 5), Date.UTC(2026, 3, 4, 15, 30)],
  ])('have a job in the hour that is doubled in %s ready for the first and kept for the second', (zone, date, due) => {
    const [forecast, ...more] = expectedOn(date, 2.5, zone)
    expect(more).toEqual([])
    expect(forecast?.at).toBe(due)
    expect(forecast?.until).toBeGreaterThan(due + hour)
    expect(forecast?.until).toBeLessThan(due + hour + 15 * minute)
  })

  it.each([
    ['Europe/Berlin', Date.UTC(2026, 2, 29), Date.UTC(2026, 2, 29, 1, 30)],
    ['Australia/Sydney', Date.UTC(2026, 9, 4), Date.UTC(2026, 9, 3, 16, 30)],
  ])('expect a job in the hour that is left out in %s after it, and count no miss', (zone, date, due) => {
    expect(expectedOn(date, 2.5, zone).map(({ at }) => at)).toEqual([due])
    const arrivals = new Arrivals()
    for (let d = 20; d > 0; d--) arrive(arrivals, 'team', 'dash', local(date - d * day, 2.5, zone), zone)
    const [next] = arrivals.forecast(local(date + day, 0, zone), 20 * hour)
    expect(next?.at).toBe(local(date + day, 2.5, zone))
    expect(next?.probability).toBeGreaterThan(0.9)
  })
})
