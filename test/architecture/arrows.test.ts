import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const configuration = ['.dependency-cruiser.cjs', 'tsconfig.json']
const cruise = (folder: string, cwd = '.'): string => {
  const program = resolve('node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  try {
    return execFileSync(process.execPath, [program, '--config', '.dependency-cruiser.cjs', folder], { cwd, encoding: 'utf8' })
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
  // Elsewhere: other tests read what is in `src` at the same time.
  const folder = mkdtempSync(join(tmpdir(), 'forebay-arrows-'))
  try {
    for (const file of configuration) cpSync(file, join(folder, file))
    for (const room of ['model', 'allocate']) mkdirSync(join(folder, 'src', room), { recursive: true })
    writeFileSync(join(folder, 'src', 'allocate', 'ledger.ts'), 'export const ledger = 1\n')
    writeFileSync(join(folder, 'src', 'model', 'wrong.ts'), "export { ledger } from '../allocate/ledger.js'\n")
    expect(cruise('src', folder)).toContain('model-imports-only-nothing')
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
