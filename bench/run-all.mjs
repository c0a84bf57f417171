/**
 * Runs every benchmark of this folder but those that are run by name (or those named), one after the other, says at the end which of
 * them failed, and puts the figures into docs/performance.md. `--quick` is passed on: a short pass.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { fillPerformancePage } from './support/performance-page.mjs'

/** It starts graph databases and fills each with a million edges, which takes as long as all others together. */
const byName = ['stores.mjs']

const folder = fileURLToPath(new URL('.', import.meta.url))
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'))
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const present = readdirSync(folder).filter((name) => name.endsWith('.mjs') && name !== 'run-all.mjs')
const names = wanted.length === 0 ? present.filter((name) => !byName.includes(name)) : wanted.map((name) => `${name}.mjs`)
const failed = names.filter((name) => {
  console.log(`\n=== ${name}`)
  const startedAt = performance.now()
  const { status } = spawnSync(process.execPath, [`${folder}${name}`, ...flags], { stdio: 'inherit' })
  console.log(`${name} took ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  return status !== 0
})
if (!flags.includes('--quick')) fillPerformancePage()
console.log(failed.length === 0 ? '\nall benchmarks ran' : `\nfailed: ${failed.join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)
