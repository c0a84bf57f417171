/**
 * The n-th call to the disk fails, for every n: an error, a full disk, a write of which half arrives, a process that is killed in the
 * middle of it, a disk that is gone from then on. Of the lineage log, accepted queries, packs and written tables the old or the new state must be
 * there afterwards, and all that was acknowledged. The calls fail between the C library and whoever makes them, so that those of
 * SQLite and DuckDB fail too.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { closePrograms, programs } from '../support/disk-programs.mjs'

const here = (name) => new URL(`../support/${name}`, import.meta.url).pathname
const modes = ['EIO', 'ENOSPC', 'short write', 'outage', 'kill']
/** More calls than any of the programs makes. */
const callsMax = 100_000

/** Builds the library that is preloaded; undefined where there is no compiler, or no preloading. */
function faultyDisk(folder) {
  const library = join(folder, 'faulty-disk.so')
  const { status } = spawnSync('cc', ['-O1', '-shared', '-fPIC', '-o', library, here('faulty-disk.c'), '-ldl'])
  return process.platform === 'linux' && status === 0 ? library : undefined
}

/** Runs a program for calls `first`, `first + stride`, …; calls back with each line that it prints. */
async function child(folder, library, [program, mode, first, stride, last], onLine) {
  const control = join(folder, 'control')
  writeFileSync(control, Buffer.alloc(24))
  const running = spawn(process.execPath, [here('disk-child.mjs'), program, mode, first, stride, last].map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LD_PRELOAD: library, FAULT_CONTROL: control, FAULT_ROOT: join(folder, 'root') },
  })
  const ended = new Promise((resolve) => running.once('exit', (code, signal) => resolve(signal ?? code)))
  for await (const line of createInterface({ input: running.stdout })) onLine(JSON.parse(line))
  return ended
}

/** Every call of a program fails once in this way; what broke, by call. */
async function loop(context, library, program, mode, stride) {
  const { folder, random } = context
  const seen = { runs: 0, calls: 0, broken: [], failures: new Map() }
  const root = join(folder, 'root')
  const take = ({ call, calls, hits, failure, broken }) => {
    if (calls === undefined) return
    seen.runs += hits > 0 ? 1 : 0
    seen.calls = Math.max(seen.calls, calls)
    for (const each of broken) seen.broken.push(`call ${call}: ${each}`)
    if (failure !== undefined) seen.failures.set(failure, (seen.failures.get(failure) ?? 0) + 1)
  }
  for (let call = 1 + random.below(stride); ; call += stride) {
    rmSync(root, { recursive: true, force: true })
    mkdirSync(root, { recursive: true })
    // A process that ends is started anew for each call; one that lives does them all.
    const last = mode === 'kill' ? call : callsMax
    let told = []
    let done = false
    const code = await child(folder, library, [program.name, mode, call, stride, last], (line) => {
      if (line.began) {
        call = line.call
        told = []
      } else if (line.told !== undefined) told.push(line.told)
      else {
        take(line)
        done = line.hits === 0
      }
    })
    if (done) return seen
    // DuckDB ends its process where it cannot go on (a node does, and is replaced); it need not be killed for that.
    if (code !== 'SIGKILL' && code !== 'SIGABRT') {
      seen.broken.push(`call ${call}: the program ended with ${code}`)
      return seen
    }
    seen.runs++
    const broken = await program
      .check(join(root, String(call)), told)
      .catch((error) => [`it does not open: ${error?.stack ?? error}`])
    for (const each of broken) seen.broken.push(`call ${call}: ${each}`)
  }
}

async function run(context) {
  const { folder, seconds, say, check, part, leaveOut } = context
  const library = faultyDisk(folder)
  if (library === undefined) return leaveOut('every file call failing needs Linux and a C compiler (cc)')
  const chosen = Object.values(programs).filter(({ name }) => part === undefined || name === part)
  check(chosen.length > 0, `there is a program to run (${chosen.map(({ name }) => name)})`)
  mkdirSync(join(folder, 'root'), { recursive: true })
  // With less time not every call fails, but every so-manieth; which ones is for the seed to say.
  const stride = Math.max(1, Math.round(scenario.seconds / seconds))
  try {
    for (const program of chosen) {
      for (const mode of modes) {
        const { runs, calls, broken, failures } = await loop(context, library, program, mode, stride)
        for (const each of broken.slice(0, 5)) say(each)
        for (const [failure, times] of [...failures].slice(0, 3)) say(`${times} × ended with ${failure.slice(0, 160)}`)
        const every = stride === 1 ? 'each' : `one in ${stride}`
        check(
          runs > 0 && broken.length === 0,
          `${program.name}, ${mode}: ${runs} runs, ${every} of about ${calls} calls; ${broken.length} broken (0 asked)`,
        )
      }
    }
  } finally {
    await closePrograms()
  }
}

export const scenario = {
  name: 'disk-calls',
  about: 'the n-th file call fails, for every n: accepted queries, lineage log, packs, written tables',
  seconds: 900,
  run,
}
