/** The deterministic simulation of scheduler, queue, recorder and nodes, on 10,000 seeds. */
import { spawnSync } from 'node:child_process'

const seedsMax = 10_000

async function run({ seed, seconds, check }) {
  const seeds = Math.min(seedsMax, Math.max(200, Math.round((seedsMax * seconds) / scenario.seconds)))
  const first = 1 + (seed % 1_000_000)
  const { status, stdout, stderr } = spawnSync('npx', ['vitest', 'run', 'test/simulation'], {
    env: { ...process.env, SIMULATION_SEEDS: String(seeds), SIMULATION_SEED: String(first) },
    encoding: 'utf8',
    maxBuffer: 1e8,
  })
  if (status !== 0) console.log(`${stdout}\n${stderr}`)
  check(status === 0, `${seeds} seeds from ${first}`)
}

export const scenario = { name: 'simulation', about: 'the deterministic simulation, 10,000 seeds', seconds: 600, run }
