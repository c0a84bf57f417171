import { expect, it } from 'vitest'
import { AnswerMemo } from '../../src/sql/answer-memo.js'

it('asks once for each question, and together for those that are open', async () => {
  const memo = new AnswerMemo<string>(1_000, (answer) => answer.length)
  const asked: string[][] = []
  const ask = async (open: readonly string[]): Promise<string[]> => {
    asked.push([...open])
    return open.map((question) => question.toUpperCase())
  }
  expect(await memo.answers(['a', 'b', 'a'], ask)).toEqual(['A', 'B', 'A'])
  expect(await memo.answers(['b', 'c'], ask)).toEqual(['B', 'C'])
  expect(await memo.answer('c', () => Promise.reject(new Error('it is known')))).toBe('C')
  expect(asked).toEqual([['a', 'b'], ['c']])
})

it('answers all that were asked together, though there is no room to keep them', async () => {
  const memo = new AnswerMemo<string>(4, (answer) => answer.length)
  const ask = async (open: readonly string[]): Promise<string[]> => open.map((question) => question.toUpperCase())
  expect(await memo.answers(['a', 'b'], ask)).toEqual(['A', 'B'])
  expect(await memo.answers(['a', 'cc', 'dd'], ask)).toEqual(['A', 'CC', 'DD'])
})

it('keeps no failure, and forgets what was used longest ago', async () => {
  const memo = new AnswerMemo<string>(4, (answer) => answer.length)
  await expect(memo.answer('a', () => Promise.reject(new Error('not now')))).rejects.toThrow('not now')
  expect(await memo.answer('a', async () => 'A')).toBe('A')
  await memo.answer('b', async () => 'B')
  await memo.answer('a', async () => 'again')
  await memo.answer('c', async () => 'C')
  expect(await memo.answer('a', async () => 'again')).toBe('A')
  expect(await memo.answer('b', async () => 'again')).toBe('again')
})
