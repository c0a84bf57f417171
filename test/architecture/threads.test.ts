import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('no thread may take as much for young objects as Node would let it', () => {
  const starts = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => readFileSync(join('src', path), 'utf8').split('\n'))
    .filter((line) => line.includes('new Worker('))
  expect(starts.length).toBeGreaterThan(3)
  expect(starts.filter((line) => !line.includes('resourceLimits: threadMemory'))).toEqual([])
})
