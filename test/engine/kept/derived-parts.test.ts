import { expect, test } from 'vitest'
import { DerivedParts } from '../../../src/engine/embedded/kept/derived-parts.js'
import type { DerivedEntry } from '../../../src/scheduler/derived-index.js'
import { Seeded } from '../../support/seeded.js'

/** Documents in memory; the writes stop when `writesLeft` is used up, as they do when the server is killed. */
function documents() {
  const kept = new Map<string, string>()
  return {
    kept,
    written: 0,
    writesLeft: Number.POSITIVE_INFINITY,
    async put(key: string, json: string): Promise<void> {
      if (this.writesLeft-- <= 0) throw new Error('killed')
      this.written += json.length
      kept.set(key, json)
    },
    async get(key: string): Promise<string | undefined> {
      return kept.get(key)
    },
  }
}

function entry(number: number): DerivedEntry {
  const stored = {
    id: `d-${number}`,
    node: 'n1',
    path: `/spool/d-${number}.parquet`,
    carrier: 'parquet',
    columns: [{ name: 'shop', type: 'INTEGER', nullable: true }],
    rows: number,
    bytes: 10,
    crc32: 0,
  } as const
  return { stored, work: `w-${number % 7}`, covers: [`s-${number}`], savedMs: 5 }
}

const entries = (from: number, to: number): DerivedEntry[] => Array.from({ length: to - from }, (_, at) => entry(from + at))
const idsOf = (found: readonly DerivedEntry[]): string[] => found.map(({ stored }) => stored.id).sort()

test('gives back what was saved, also of a folder that has all in one document', async () => {
  const recorder = documents()
  const all = entries(0, 2_000)
  await new DerivedParts(recorder).save(all)
  expect((await new DerivedParts(recorder).restore()).toSorted((a, b) => a.stored.rows - b.stored.rows)).toEqual(all)
  recorder.kept.clear()
  recorder.kept.set('engine:derived', JSON.stringify(all))
  const parts = new DerivedParts(recorder)
  expect(await parts.restore()).toEqual(all)
  await parts.save(all)
  expect(idsOf(await new DerivedParts(recorder).restore())).toEqual(idsOf(all))
})

test('writes what came, and not again what was there', async () => {
  const recorder = documents()
  const parts = new DerivedParts(recorder)
  const all = entries(0, 5_000)
  await parts.save(all)
  expect(recorder.written).toBeGreaterThan(900_000)
  recorder.written = 0
  // What goes leaves documents as they are, as long as half of one is there.
  await parts.save([...all.filter(({ stored }) => stored.rows % 3 > 0), ...entries(5_000, 5_010)])
  expect(recorder.written).toBeLessThan(70_000)
})

test('has no more documents than its entries fill, however many came and went', async () => {
  const recorder = documents()
  const parts = new DerivedParts(recorder)
  for (let turn = 0; turn < 40; turn++) await parts.save(entries(turn * 200, turn * 200 + 1_000))
  const longest = [...recorder.kept.values()].filter((json) => json !== '[]')
  expect(longest.reduce((sum, json) => sum + json.length, 0)).toBeLessThan(600_000)
  expect(recorder.kept.size).toBeLessThan(20)
})

test('has all that was saved and is still there, wherever a save was broken off', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const seeded = new Seeded(seed)
    const recorder = documents()
    let parts = new DerivedParts(recorder)
    let there: DerivedEntry[] = []
    let saved: DerivedEntry[] = []
    let number = 0
    for (let turn = 0; turn < 12; turn++) {
      there = there.filter(() => seeded.chance(0.7))
      const came = seeded.below(400)
      there.push(...entries(number, number + came))
      number += came
      recorder.writesLeft = seeded.chance(0.5) ? seeded.below(5) : Number.POSITIVE_INFINITY
      const whole = await parts.save(there).then(
        () => true,
        () => false,
      )
      recorder.writesLeft = Number.POSITIVE_INFINITY
      if (whole) saved = there
      const restored = new Set(idsOf(await new DerivedParts(recorder).restore()))
      const lost = saved.filter((one) => there.includes(one) && !restored.has(one.stored.id))
      expect(idsOf(lost), `seed ${seed}, turn ${turn}`).toEqual([])
      if (seeded.chance(0.3)) {
        parts = new DerivedParts(recorder)
        const known = new Set(idsOf(there))
        there = (await parts.restore()).filter(({ stored }) => known.has(stored.id))
        saved = there
      }
    }
  }
})
