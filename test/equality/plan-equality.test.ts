import { afterAll, describe, expect, it } from 'vitest'
import { generateLake } from '../support/generate-lake.js'
import { generateQuery } from '../support/generate-query.js'
import { difference } from '../support/oracle.js'
import { PlanOracle } from '../support/oracle-plan.js'
import { Seeded } from '../support/seeded.js'

const seeds = Number(process.env.FOREBAY_PLAN_SEEDS ?? 100)
const first = Number(process.env.FOREBAY_FIRST_SEED ?? 0)
const queriesPerLake = 10

const outcome = { split: 0, whole: 0, refused: 0, leftOut: 0 }

async function openLake(seed: number): Promise<{ oracle: PlanOracle; rows: number }> {
  const oracle = await PlanOracle.open()
  const tables = generateLake(seed)
  for (const table of tables) {
    await oracle.connection.run(`CREATE TABLE ${table.name} AS ${table.select}`)
    await oracle.declare(table.name)
  }
  return { oracle, rows: tables[0]?.rows ?? 0 }
}

async function check(oracle: PlanOracle, rows: number, seed: number): Promise<void> {
  const query = generateQuery(seed)
  const random = new Seeded(seed + 1_000_003)
  const cell = { leaves: random.pick([1, 2, 3, 5, 9]), fanIn: random.pick([2, 3, 8]) }
  const expected = await oracle.whole(query.sql).catch((error: Error) => error)
  const split = await oracle.split(query.sql).catch((error: Error) => error)
  if (expected instanceof Error) {
    // A few of the generated queries do not bind, or overflow: then neither way may answer.
    const answers = !(split instanceof Error) && split.shape === 'split'
    const other = answers ? await oracle.splitAnswer(split, cell).catch((error: Error) => error) : expected
    expect(other, `seed ${seed}: ${expected.message}\n${query.sql}`).toBeInstanceOf(Error)
    outcome.refused++
    return
  }
  if (split instanceof Error) throw split
  outcome[split.shape]++
  if (split.shape === 'whole') return
  const actual = await oracle.splitAnswer(split, cell).catch((error: Error) => error)
  const expectation = { ...query, rows: rows * 9, largest: 1000 }
  const differs = actual instanceof Error ? actual.message : difference(expected, actual, expectation)
  if (differs === undefined) return
  const again = await oracle.shuffled(query.sql)
  if (difference(expected, again, expectation) !== undefined) outcome.leftOut++
  else
    throw new Error(
      `seed ${seed}, ${JSON.stringify(cell)}: ${differs}\n${query.sql}\nleaf ${await oracle.print(split.leaf)}\nroot ${(await oracle.print(split.root)).slice(0, 3000)}`,
    )
}

describe('split plans on generated data', () => {
  for (let lake = Math.floor(first / queriesPerLake); lake * queriesPerLake < first + seeds; lake++) {
    it(`answer as the whole does, lake ${lake}`, async () => {
      const { oracle, rows } = await openLake(lake)
      try {
        for (let index = 0; index < queriesPerLake; index++) await check(oracle, rows, lake * queriesPerLake + index)
      } finally {
        oracle.close()
      }
    })
  }

  it('splits most of them and leaves next to none out', () => {
    const total = outcome.split + outcome.whole
    expect(outcome.split / total).toBeGreaterThan(0.6)
    expect(outcome.leftOut / total).toBeLessThan(0.02)
  })

  afterAll(() =>
    console.log(
      `${outcome.split} split, ${outcome.whole} whole, ${outcome.refused} with an error both ways, ${outcome.leftOut} left out`,
    ),
  )
})
