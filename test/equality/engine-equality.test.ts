import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openUnderTest, requestOf, type UnderTest } from '../engine/engine-under-test.js'
import { generateLake } from '../support/generate-lake.js'
import { generateQuery } from '../support/generate-query.js'
import { type Answer, difference } from '../support/oracle.js'
import { answerOfJson, FileOracle } from '../support/oracle-engine.js'
import { Seeded } from '../support/seeded.js'

/**
 * Generated queries through real planners and nodes, each in one seeded cell of split or whole × 1, 2 or 9 nodes × from files,
 * from packs, from both. What reads packs alone is asked three times: nodes keep statements that come again. FOREBAY_SEEDS sets how many (`npm run test:equality`: 5,000), FOREBAY_FIRST_SEED where to begin; a
 * seed's cell does not depend on either, so that a failing seed can be run alone.
 */
const seeds = Number(process.env.FOREBAY_SEEDS ?? 300)
const first = Number(process.env.FOREBAY_FIRST_SEED ?? 0)
const queriesPerLake = 10
const lakesPerEngine = 10
const nodeCounts = [1, 2, 9]
const warmths = ['cold', 'half packed', 'packed'] as const

const outcome = { compared: 0, split: 0, whole: 0, fromPacks: 0, refused: 0, leftOut: 0, failed: [] as number[] }
const lakes = Array.from({ length: Math.ceil(seeds / queriesPerLake) }, (_, index) => Math.floor(first / queriesPerLake) + index)
const engineOf = (lake: number): number => Math.floor(lake / lakesPerEngine)

for (const engine of new Set(lakes.map(engineOf))) {
  const nodes = nodeCounts[engine % nodeCounts.length] ?? 1
  const group = lakes.filter((lake) => engineOf(lake) === engine)
  describe(`${nodes} nodes, lakes ${group[0]} to ${group.at(-1)}`, () => {
    let under: UnderTest
    let oracle: FileOracle

    beforeAll(async () => {
      under = await openUnderTest([], { nodes, memoryBytes: 2e9 })
      oracle = await FileOracle.open(under.dataFolder)
      for (const lake of group) for (const table of generateLake(lake)) await oracle.write(table, `l${lake}_${table.name}`)
      await under.catalog.rescan()
      for (const lake of group) await pack(under, lake)
    }, 120_000)
    afterAll(async () => {
      await under?.close()
      oracle?.close()
    })

    it.each(group)(
      'answers as DuckDB does, lake %i',
      async (lake) => {
        const rows = generateLake(lake)[0]?.rows ?? 0
        const problems: string[] = []
        for (let index = 0; index < queriesPerLake; index++) {
          const problem = await check(under, oracle, lake, rows, lake * queriesPerLake + index)
          if (problem !== undefined) problems.push(problem)
        }
        expect(problems).toEqual([])
      },
      120_000,
    )
  })
}

function warmthOf(lake: number): (typeof warmths)[number] {
  return warmths[lake % warmths.length] ?? 'cold'
}

/** Packs none, the first half or all of a lake's segments. */
async function pack(under: UnderTest, lake: number): Promise<void> {
  const warmth = warmthOf(lake)
  if (warmth === 'cold') return
  for (const { name } of generateLake(lake)) {
    const snapshot = under.catalog.current(`l${lake}_${name}`)
    if (snapshot === undefined) continue
    const full = snapshot.segments.filter((segment) => segment.rows > 0)
    const segments = warmth === 'packed' ? full : full.slice(0, Math.ceil(full.length / 2))
    if (segments.length === 0) continue
    const wish = {
      dataset: snapshot.dataset,
      columns: snapshot.columns.map((column) => column.name).filter((column) => !snapshot.partitionColumns.includes(column)),
      segments: segments.map((segment) => segment.id),
      bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0),
    }
    await under.engine.actuator.buildPack(wish, AbortSignal.timeout(60_000))
  }
}

async function check(
  under: UnderTest,
  oracle: FileOracle,
  lake: number,
  rows: number,
  seed: number,
): Promise<string | undefined> {
  const generated = generateQuery(seed)
  const sql = generated.sql.replace(/\b(facts|dims|days)\b/g, `l${lake}_$1`)
  const random = new Seeded(seed + 77)
  const options = { tree: random.chance(0.7) ? 'always' : 'never', reuse: random.chance(0.3) } as const
  const expectation = { ...generated, rows: rows * 9, largest: 1000 }
  const [expected, actual] = [await settled(oracle.answer(sql)), await settled(ask(under, sql, options))]
  if (expected instanceof Error || actual instanceof Error) {
    outcome.refused++
    if (expected instanceof Error && actual instanceof Error) return undefined
    return fail(seed, sql, `${(expected as Error).message ?? 'rows'} against ${(actual as Error).message ?? 'rows'}`)
  }
  outcome.compared++
  outcome[actual.levels > 1 ? 'split' : 'whole']++
  if (actual.packs > 0) outcome.fromPacks++
  const answers = [actual]
  if (warmthOf(lake) === 'packed' && !options.reuse)
    for (let again = 0; again < 2; again++) answers.push(await ask(under, sql, options))
  const differs = answers.map((answer) => difference(expected, answer, expectation)).find((found) => found !== undefined)
  if (differs === undefined) return undefined
  if (difference(expected, await oracle.shuffled(sql), expectation) !== undefined) {
    outcome.leftOut++
    return undefined
  }
  return fail(seed, sql, `${JSON.stringify(options)} ${differs}`)
}

function fail(seed: number, sql: string, why: string): string {
  outcome.failed.push(seed)
  return `seed ${seed}: ${why}\n${sql}`
}

async function ask(
  under: UnderTest,
  sql: string,
  options: { tree: 'always' | 'never'; reuse: boolean },
): Promise<Answer & { readonly levels: number; readonly packs: number }> {
  const execution = under.engine.submit(`e-${Math.random().toString(36).slice(2)}`, requestOf(sql, options))
  const { columns, body } = await execution.result
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  const rows = JSON.parse(`[${Buffer.concat(pieces).toString()}]`) as unknown[][]
  const stats = execution.status().actual
  return { ...answerOfJson(columns, rows), levels: stats?.levels ?? 0, packs: stats?.tiers.pack ?? 0 }
}

async function settled<T>(promise: Promise<T>): Promise<T | Error> {
  return promise.catch((error: Error) => error)
}

it('leaves next to nothing out and splits most', () => {
  console.log(
    `${outcome.compared} compared: ${outcome.split} split, ${outcome.whole} whole, ${outcome.fromPacks} from packs; ${outcome.refused} with an error on both sides; ` +
      `${outcome.leftOut} left out; failed seeds: ${outcome.failed.join(' ') || 'none'}`,
  )
  expect(outcome.leftOut).toBeLessThan(Math.max(3, outcome.compared / 50))
  expect(outcome.split).toBeGreaterThan(outcome.compared / 3)
  if (lakes.length >= 3) expect(outcome.fromPacks).toBeGreaterThan(outcome.compared / 10)
})
