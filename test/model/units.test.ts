import { expect, it } from 'vitest'
import { parseBytes, parseDurationMs } from '../../src/model/units.js'

it('takes only units that there are', () => {
  expect(parseBytes('2 GiB', 'memory')).toBe(2 ** 31)
  expect(parseDurationMs('1.5m', 'drain')).toBe(90_000)
  for (const unit of ['constructor', 'valueOf', 'parsec']) {
    expect(() => parseBytes(`5 ${unit}`, 'memory')).toThrow('"memory" is not a size')
    expect(() => parseDurationMs(`5 ${unit}`, 'drain')).toThrow('"drain" is not a duration')
  }
})
