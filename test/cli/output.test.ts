import { expect, it } from 'vitest'
import { cell } from '../../src/cli/output.js'

it('shows values in one line, and a zero with its sign', () => {
  expect([0, -0, 1.5, null, 'a\nb\tc', { x: [1] }].map(cell)).toEqual(['0', '-0.0', '1.5', '', 'a b c', '{"x":[1]}'])
})
