import { expect, test } from 'vitest'
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
  const keeper = new ModelKeeper({ recorder, onError: (error) => errors.push(error) })
  return { keeper, puts, errors, fail: (now: boolean) => (failing = now) }
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
