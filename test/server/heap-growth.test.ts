import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const module = fileURLToPath(new URL('../../dist/server/heap-growth.js', import.meta.url))

/** Replaces old objects of about 80 MB five times over, and says how large the heap became at most, in MB. */
function heapWhere(bound: string): number {
  const script = `
    import { boundHeapGrowth } from ${JSON.stringify(module)}
    ${bound}
    const kept = Array.from({ length: 20_000 }, () => new Array(500).fill(0))
    let most = 0
    for (let i = 0; i < 100_000; i++) {
      kept[(i * 7919) % kept.length] = new Array(500).fill(i)
      if (i % 100 === 0) most = Math.max(most, process.memoryUsage().heapTotal)
    }
    console.log(most / 1e6)`
  return Number(execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' }))
}

test('bounds how much garbage the heap grows by', () => {
  expect(heapWhere('boundHeapGrowth()')).toBeLessThan(heapWhere('') - 30)
})
