import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { graphThreadMemory, threadMemory } from '../../src/model/thread-memory.js'

test('no thread may take as much for young objects as Node would let it', () => {
  const starts = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => readFileSync(join('src', path), 'utf8').split('\n'))
    .filter((line) => line.includes('new Worker('))
  expect(starts.length).toBeGreaterThan(3)
  expect(starts.filter((line) => !/resourceLimits: (threadMemory|graphThreadMemory) /.test(line))).toEqual([])
  // Node's own is 48 MB.
  expect(threadMemory.maxYoungGenerationSizeMb).toBeLessThan(10)
  expect(graphThreadMemory.maxYoungGenerationSizeMb).toBeLessThan(20)
})
