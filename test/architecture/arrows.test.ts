import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const cruise = (folder: string): string => {
  const given = ['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.cjs', folder]
  try {
    return execFileSync(process.execPath, given, { encoding: 'utf8' })
  } catch (error) {
    return String((error as { stdout: string }).stdout)
  }
}

test('every import follows the arrows between the rooms', () => {
  const report = cruise('src')
  expect(report).toContain('no dependency violations found')
  expect(Number(/\((\d+) modules/.exec(report)?.[1])).toBeGreaterThan(50)
})

test('finds an import against the arrows', () => {
  const folder = mkdtempSync('src/model/against-the-arrows-')
  try {
    writeFileSync(join(folder, 'wrong.ts'), "export { Ledger } from '../../allocate/ledger.js'\n")
    expect(cruise(folder)).toContain('model-imports-only-nothing')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('only the composition root names adapters', () => {
  const adapters = /from '.*(queue\/embedded|lineage\/sqlite|allocate\/processes|engine\/embedded)\//
  const offenders = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/^(server|queue|lineage|allocate|engine)\//.test(path))
    .filter((path) => adapters.test(readFileSync(join('src', path), 'utf8')))
  expect(offenders).toEqual([])
})
