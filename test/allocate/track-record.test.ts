import { expect, test } from 'vitest'
import { TrackRecord } from '../../src/allocate/track-record.js'

test('tells a template that comes with other arguments each time from a dashboard that does not', () => {
  const record = new TrackRecord()
  for (let i = 0; i < 30; i++) {
    record.answered('team search', false)
    record.answered('team dashboard', true)
  }
  expect(record.missShare('team search')).toBeGreaterThan(0.9)
  expect(record.missShare('team dashboard')).toBeLessThan(0.1)
  expect(record.missShare('team never seen')).toBeCloseTo(0.5, 1)
})

test('remembers that across a restart, and takes up what older versions kept', () => {
  const record = new TrackRecord()
  for (let i = 0; i < 5; i++) record.answered('team search', false)
  const kept = JSON.parse(JSON.stringify(record.snapshot()))
  const restored = new TrackRecord()
  restored.restore(kept)
  expect(restored.missShare('team search')).toBe(record.missShare('team search'))
  expect(restored.missShare('team search')).toBeGreaterThan(restored.missShare('team other'))
  const { missesOf, ...older } = kept
  const fromOlder = new TrackRecord()
  fromOlder.restore(older)
  expect(missesOf).toHaveLength(1)
  expect(fromOlder.missShare('team search')).toBe(record.missShare('team other'))
})
