import { expect, test } from 'vitest'
import { VirtualClock } from '../../src/model/virtual-clock.js'
import { ModelKeeper } from '../../src/server/model-keeper.js'

function setUp() {
  const puts: string[] = []
  const errors: unknown[] = []
  let failing = false
  const recorder = {
    put: async (key: string, json: string): Promise<void> => {
      if (failing) throw new Error('the disk is full')
      puts.push(`${key} ${json}`)
    },
    get: async () => undefined,
  }
  const clock = new VirtualClock(0)
  const keeper = new ModelKeeper({ recorder, clock, onError: (error) => errors.push(error) })
  return { keeper, puts, errors, clock, fail: (now: boolean) => (failing = now) }
}

test('saves a model when it has learned something, and only then', async () => {
  const { keeper, puts } = setUp()
  let learned = 1
  keeper.add('predictor', { snapshot: () => ({ learned }), restore: () => {} })
  await keeper.save()
  await keeper.save()
  learned = 2
  await keeper.save()
  expect(puts).toEqual(['model/predictor {"learned":1}', 'model/predictor {"learned":2}'])
})

test('sees a change at any place of a long text', async () => {
  const { keeper, puts } = setUp()
  const learned = Array.from({ length: 100_000 }, () => 1)
  keeper.add('predictor', { snapshot: () => learned, restore: () => {} })
  for (const place of [0, 50_000, 99_999]) {
    await keeper.save()
    learned[place] = 2
  }
  await keeper.save()
  await keeper.save()
  expect(puts).toHaveLength(4)
})

test('saves again what could not be saved', async () => {
  const { keeper, puts, errors, fail } = setUp()
  keeper.add('predictor', { snapshot: () => ({ learned: 1 }), restore: () => {} })
  fail(true)
  await keeper.save()
  fail(false)
  await keeper.save()
  expect([puts.length, errors.length]).toEqual([1, 1])
})

test.each([
  [100, 30_000],
  [4e6, 120_000],
])('saves again in proportion to what it prints: %i characters, %i ms', async (characters, restMs) => {
  const { keeper, puts, clock } = setUp()
  let learned = 0
  keeper.add('predictor', { snapshot: () => ['x'.repeat(characters), learned++], restore: () => {} })
  keeper.start()
  clock.skipTo(30_000)
  await expect.poll(() => clock.nextDueAt() - clock.now()).toBeLessThan(restMs + 1_000)
  expect(clock.nextDueAt() - clock.now()).toBeGreaterThan(restMs - 1_000)
  expect(puts).toHaveLength(1)
  await keeper.stop()
  expect(puts).toHaveLength(2)
  expect(clock.nextDueAt()).toBe(Number.POSITIVE_INFINITY)
})
