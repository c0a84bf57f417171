import { afterEach, expect, it, vi } from 'vitest'
import { instant } from '../../src/server/http/request-schemas.js'

afterEach(() => vi.unstubAllEnvs())

it.each([
  ['2026-01-31', '2026-01-31T00:00:00.000Z'],
  ['2026-01-31T10:00', '2026-01-31T10:00:00.000Z'],
  ['2026-01-31T10:00:00', '2026-01-31T10:00:00.000Z'],
  ['2026-01-31 10:00:00.5', '2026-01-31T10:00:00.500Z'],
  ['2026-01-31T10:00:00.123456Z', '2026-01-31T10:00:00.123Z'],
  ['2026-01-31T10:00:00+02:00', '2026-01-31T08:00:00.000Z'],
  ['1769853600000', '2026-01-31T10:00:00.000Z'],
])('takes %s for %s, wherever the machine is', (text, time) => {
  vi.stubEnv('TZ', 'America/New_York')
  expect(new Date(2026, 0, 31).toISOString()).toBe('2026-01-31T05:00:00.000Z')
  expect(new Date(instant.parse(text)).toISOString()).toBe(time)
})

it.each(['', 'yesterday', '31 Jan 2026', '2026-01-31T10', '2026-13-01', '2026-01-31T10:00:00 02:00'])('refuses "%s"', (text) => {
  expect(instant.safeParse(text).error?.issues[0]?.message).toBe('must be a time in ISO-8601, e.g. 2026-01-31T10:00:00Z')
})
