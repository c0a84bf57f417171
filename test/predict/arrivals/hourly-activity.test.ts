import { describe, expect, it } from 'vitest'
import { HourlyActivity } from '../../../src/predict/arrivals/hourly-activity.js'
import { LocalTime } from '../../../src/predict/arrivals/local-time.js'
import { ArrivalsReplay, type ArrivalsReport } from '../../../src/predict/evaluate/replay-arrivals.js'
import { type Fleet, generateActivity } from '../generate-activity.js'
import { seeded } from '../seeded.js'

const hourMs = 3_600_000
const dayHours = 24

function replayed(fleet: Fleet): ArrivalsReport {
  const replay = new ArrivalsReplay()
  for (const line of generateActivity({ fleet, tenants: 50, weeks: 9, seed: 21 })) replay.add(line)
  return replay.finish()
}

describe('a fleet of clusters by hours of activity', () => {
  it('finds most first queries warm where habits are regular, at little extra', () => {
    const report = replayed('regular')
    expect(report.warmFirstShare).toBeGreaterThan(0.84)
    expect(report.extraWarmShare).toBeLessThan(0.085)
  })

  it('spends more where spells are short, within its bound', () => {
    const report = replayed('bursty')
    expect(report.warmFirstShare).toBeGreaterThan(0.74)
    expect(report.extraWarmShare).toBeLessThan(0.12)
  })

  it('claims nothing and spends next to nothing where arrivals are random', () => {
    const report = replayed('random')
    expect(report.warmFirstShare).toBeLessThan(0.01)
    expect(report.extraWarmShare).toBeLessThan(0.02)
  })
})

describe('a clock with daylight saving in a log in UTC', () => {
  const time = new LocalTime()
  const zone = 'America/New_York'

  /** Learns offices open from 9 to 17 local time, from `from` until `until`, and says what it expects of each hour of `until`. */
  function expectedOn(from: number, until: number): readonly number[] {
    const model = new HourlyActivity()
    const random = seeded(22)
    const tenants = Array.from({ length: 20 }, (_, i) => `c${i}`)
    const expected = Array.from({ length: dayHours }, () => 0)
    for (let hour = from / hourMs; hour < until / hourMs + dayHours; hour++) {
      const { minute, weekday } = time.local(hour * hourMs, zone)
      const open = weekday !== 0 && weekday !== 6 && minute >= 9 * 60 && minute < 17 * 60
      for (const tenant of tenants) {
        const { probability } = model.expect(tenant, hour)
        if (hour * hourMs >= until)
          expected[hour % dayHours] = (expected[hour % dayHours] as number) + probability / tenants.length
      }
      for (const tenant of tenants) model.observe(tenant, hour, random() < (open ? 0.95 : 0.005))
    }
    return expected
  }

  it('moves habits an hour earlier within three days of its begin', () => {
    // It begins on Sunday, 8 March: nine o'clock was 14:00 in UTC and is 13:00 on Thursday.
    const expected = expectedOn(Date.UTC(2026, 0, 5), Date.UTC(2026, 2, 12))
    expect(expected[13]).toBeGreaterThan(0.6)
    expect(expected[12]).toBeLessThan(0.2)
  })

  it('moves habits an hour later within three days of its end', () => {
    const expected = expectedOn(Date.UTC(2026, 7, 31), Date.UTC(2026, 10, 5))
    expect(expected[14]).toBeGreaterThan(0.6)
    expect(expected[13]).toBeLessThan(0.35)
  })
})
