/** The deterministic simulation of scheduler, queue, recorder and nodes, on 10,000 seeds. */
import { spawnSync } from 'node:child_process'

const seedsMax = 10_000
/** Seeds of one process: lives that a simulation ends keep their files open for as long as it lives. */
const seedsAtOnce = 500

async function run({ seed, seconds, check }) {
  const seeds = Math.min(seedsMax, Math.max(200, Math.round((seedsMax * seconds) / scenario.seconds)))
  const first = 1 + (seed % 1_000_000)
  for (let done = 0; done < seeds; done += seedsAtOnce) {
    const [from, count] = [first + done, Math.min(seedsAtOnce, seeds - done)]
    const { status, stdout, stderr } = spawnSync('npx', ['vitest', 'run', 'test/simulation'], {
      env: { ...process.env, SIMULATION_SEEDS: String(count), SIMULATION_SEED: String(from) },
      encoding: 'utf8',
      maxBuffer: 1e8,
    })
    if (status !== 0) console.log(`${stdout}\n${stderr}`)
    check(status === 0, `${count} seeds from ${from}`)
  }
}

export const scenario = { name: 'simulation', about: 'the deterministic simulation, 10,000 seeds', seconds: 600, run }
