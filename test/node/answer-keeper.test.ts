import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { StoredSegment } from '../../src/model/segment.js'
import { AnswerKeeper } from '../../src/node/answer-keeper.js'

const limits = { slowMs: 100, idleMs: 20, patienceMs: 200, bytesMax: 1_000 }

interface Settled {
  readonly name: string
  readonly stored: boolean
}

function keeperOf(isBusy: () => boolean): {
  keeper: AnswerKeeper
  settled: Settled[]
  give: (name: string, wallMs?: number) => void
} {
  const settled: Settled[] = []
  const keeper = new AnswerKeeper(isBusy, limits)
  const give = (name: string, wallMs = 1): void =>
    keeper.take({
      bytes: 400,
      wallMs,
      store: async () => ({ id: name }) as StoredSegment,
      settle: (stored) => settled.push({ name, stored: stored !== undefined }),
    })
  return { keeper, settled, give }
}

it('stores a quick answer once the node has nothing else to do', async () => {
  const { keeper, settled, give } = keeperOf(() => false)
  keeper.busy()
  give('a')
  await sleep(5)
  expect(settled).toEqual([])
  await sleep(100)
  expect(settled).toEqual([{ name: 'a', stored: true }])
})

it('leaves it out where the node stays busy, and stores a slow one all the same', async () => {
  const { settled, give } = keeperOf(() => true)
  give('quick')
  give('slow', 500)
  await sleep(5)
  expect(settled).toEqual([{ name: 'slow', stored: true }])
  await sleep(400)
  expect(settled.at(-1)).toEqual({ name: 'quick', stored: false })
})

it('holds no more bytes than it may: the oldest goes', async () => {
  const { keeper, settled, give } = keeperOf(() => true)
  for (const name of ['a', 'b', 'c']) give(name)
  expect(settled).toEqual([{ name: 'a', stored: false }])
  await keeper.flush()
  expect(settled.slice(1)).toEqual([
    { name: 'b', stored: true },
    { name: 'c', stored: true },
  ])
})

it('settles an answer that cannot be stored', async () => {
  const keeper = new AnswerKeeper(() => false, limits)
  const stored = await new Promise((resolve) =>
    keeper.take({ bytes: 1, wallMs: 1, store: () => Promise.reject(new Error('disk full')), settle: resolve }),
  )
  expect(stored).toBeUndefined()
})
