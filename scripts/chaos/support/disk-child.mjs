/**
 * Runs one of the programs of disk-programs.mjs under the preloaded faulty disk, once for each call that is to fail, and prints a line of
 * JSON for each run. A run that is killed ends this process; whoever started it goes on from there.
 */
import { mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { closePrograms, programs } from './disk-programs.mjs'

// The children of this process have a disk that works.
delete process.env.LD_PRELOAD
const [name, mode, first, stride, last] = process.argv.slice(2)
const program = programs[name]
const modes = { EIO: 1, ENOSPC: 2, 'short write': 3, kill: 4, outage: 5 }
const control = openSync(process.env.FAULT_CONTROL, 'r+')

function arm(call) {
  const bytes = Buffer.alloc(24)
  bytes.writeBigInt64LE(BigInt(call), 8)
  bytes.writeInt32LE(modes[mode] ?? 0, 16)
  writeSync(control, bytes, 0, 24, 0)
}

/** Calls counted and calls failed since it was armed. */
function counted() {
  const bytes = Buffer.alloc(24)
  readSync(control, bytes, 0, 24, 0)
  return { calls: Number(bytes.readBigInt64LE(0)), hits: bytes.readInt32LE(20) }
}

const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`)
const unhandled = []
process.on('unhandledRejection', (error) => unhandled.push(String(error)))

for (let call = Number(first); call <= Number(last); call += Number(stride)) {
  const folder = join(process.env.FAULT_ROOT, `${call}`)
  mkdirSync(folder, { recursive: true })
  const told = []
  say({ call, began: true })
  arm(call)
  const failure = await program
    .run(folder, (what) => {
      told.push(what)
      say({ call, told: what })
    })
    .then(
      () => undefined,
      (error) => String(error),
    )
  const { calls, hits } = counted()
  arm(0)
  const broken = await program.check(folder, told).catch((error) => [`it does not open: ${error?.stack ?? error}`])
  say({ call, calls, hits, failure, broken: [...broken, ...unhandled.splice(0).map((each) => `nobody waited for: ${each}`)] })
  rmSync(folder, { recursive: true, force: true })
  if (hits === 0) break
}
await closePrograms()
process.exit(0)
