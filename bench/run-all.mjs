/** Runs every benchmark of this folder, one after the other, and says at the end which of them failed. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const names = readdirSync(folder).filter((name) => name.endsWith('.mjs') && name !== 'run-all.mjs')
const failed = names.filter((name) => {
  console.log(`\n=== ${name}`)
  return spawnSync(process.execPath, [`${folder}${name}`], { stdio: 'inherit' }).status !== 0
})
console.log(failed.length === 0 ? '\nall benchmarks ran' : `\nfailed: ${failed.join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)
