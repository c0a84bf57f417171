/**
 * `npm run chaos`: breaks Forebay in every way that docs/troubleshooting.md and the invariants speak of, and says what came of it.
 * Each scenario is a file of `scenarios/`; what it draws from its seed is the same every time, so a run that failed can be repeated:
 * `node scripts/chaos/main.mjs --only NAME --seed N`. `--seconds N` shortens or lengthens the long ones, `--part NAME` runs one program of
 * `disk-calls`. What cannot be tried on this machine is said to be left out, and does not count as passed.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { seeded } from './support/random.mjs'
import { endServers } from './support/server.mjs'

const names = [
  'kills',
  'server-kills',
  'statements',
  'input',
  'bit-flips',
  'disk',
  'disk-calls',
  'folders',
  'clock',
  'stalls',
  'sockets',
  'prediction',
  'simulation',
  'soak',
]
const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    seed: { type: 'string' },
    seconds: { type: 'string' },
    part: { type: 'string' },
    keep: { type: 'boolean' },
    list: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

const scenarios = await Promise.all(names.map(async (name) => (await import(`./scenarios/${name}.mjs`)).scenario))
if (values.help || values.list) {
  console.log('node scripts/chaos/main.mjs [--only NAME]… [--seed N] [--seconds N] [--part NAME] [--keep]\n')
  for (const { name, about } of scenarios) console.log(`${name.padEnd(14)} ${about}`)
  process.exit(0)
}
const unknown = (values.only ?? []).filter((name) => !names.includes(name))
if (unknown.length > 0) {
  console.error(`error: no scenario ${unknown.join(', ')}\ntry: --list`)
  process.exit(2)
}

const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9))
let failed = 0
const leftOut = []
for (const scenario of scenarios) {
  if (values.only !== undefined && !values.only.includes(scenario.name)) continue
  console.log(`\n== ${scenario.name} (--only ${scenario.name} --seed ${seed})`)
  const folder = mkdtempSync(join(tmpdir(), `forebay-chaos-${scenario.name}-`))
  const began = performance.now()
  const findings = []
  const context = {
    folder,
    random: seeded(seed),
    seed,
    seconds: values.seconds === undefined ? scenario.seconds : Number(values.seconds),
    inner: (name) => {
      mkdirSync(join(folder, name), { recursive: true })
      return join(folder, name)
    },
    part: values.part,
    /** Something that this machine cannot be made to do. */
    leaveOut: (why) => {
      console.log(`   left out: ${why}`)
      leftOut.push(scenario.name)
    },
    say: (text) => console.log(`   ${text}`),
    /** One thing that had to be so: printed with its figure, and the run fails when it was not. */
    check: (ok, text) => {
      console.log(`   ${ok ? 'ok  ' : 'FAIL'} ${text}`)
      if (!ok) findings.push(text)
    },
  }
  try {
    await scenario.run(context)
  } catch (error) {
    findings.push(String(error))
    console.log(`   FAIL ${error?.stack ?? error}`)
  }
  endServers()
  console.log(
    `   ${findings.length === 0 ? 'passed' : `FAILED (${findings.length})`} in ${((performance.now() - began) / 1000).toFixed(1)} s`,
  )
  if (findings.length > 0) failed++
  if (values.keep) console.log(`   kept: ${folder}`)
  else rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
const rest = leftOut.length === 0 ? '' : `, left out in whole or in part: ${leftOut.join(', ')}`
console.log(`\n${failed === 0 ? 'all that was tried passed' : `${failed} failed`}${rest}`)
process.exit(failed === 0 ? 0 : 1)
