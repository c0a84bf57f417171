import { expect, it } from 'vitest'
import type { Clock } from '../../src/model/clock.js'
import { Quarantine } from '../../src/sql/planner/quarantine.js'

it('refuses a statement until its time is over, and no other', () => {
  let now = 0
  const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() }
  const quarantine = new Quarantine(clock, 1_000)
  quarantine.add('select bad')
  quarantine.check('select good')
  expect(() => quarantine.check('select bad')).toThrowError(expect.objectContaining({ code: 'STATEMENT_QUARANTINED' }))
  now = 999
  expect(() => quarantine.check('select bad')).toThrow()
  now = 1_000
  quarantine.check('select bad')
})
