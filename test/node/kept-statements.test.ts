import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Instance } from '../../src/node/instance.js'
import { chunksOf, type Session } from '../../src/node/session.js'
import { testFolder } from './node-under-test.js'

const folder = testFolder()
let instance: Instance

beforeAll(async () => {
  instance = await Instance.open({
    threads: 2,
    memoryBytes: 256 << 20,
    tempFolder: `${folder.path}/temp`,
    tempBytesMax: 1 << 30,
    folders: [folder.path],
  })
})
afterAll(() => folder.remove())

const sums = 'SELECT range % 3 AS k, count(*), sum(range)::BIGINT FROM range(10000) GROUP BY k ORDER BY k'
/** Its rows stay in memory as long as the statement does. */
const large = `WITH t AS MATERIALIZED (SELECT range AS k, 'text of number ' || range AS s FROM range(600000))
  SELECT (SELECT count(*) FROM t WHERE k > 3), (SELECT max(length(s)) FROM t)`

async function ask(answer: string, sql: string): Promise<unknown> {
  const session = await instance.acquire('UTC')
  const rows = chunksOf(await session.whole(sql, answer)).flatMap((chunk) => chunk.getRows())
  instance.release(session, true)
  return rows
}

async function within<T>(work: (session: Session) => Promise<T>): Promise<T> {
  const session = await instance.acquire('UTC')
  try {
    return await work(session)
  } finally {
    session.statements.discard()
    instance.release(session, true)
  }
}

const isKept = (answer: string, sql: string): Promise<boolean> =>
  within(async ({ statements }) => (await statements.find(answer, sql)) !== undefined && !statements.onTrial)

describe('a statement that comes again', () => {
  it('is planned once, and gives the same each time', async () => {
    const rows = await ask('d-sums', sums)
    expect(await isKept('d-sums', sums)).toBe(false)
    expect(await ask('d-sums', sums)).toEqual(rows)
    expect(await isKept('d-sums', sums)).toBe(true)
    for (let again = 0; again < 3; again++) expect(await ask('d-sums', sums)).toEqual(rows)
  })

  it('is another one where it gives something else', async () => {
    await ask('d-here', sums)
    await ask('d-here', sums)
    expect(await isKept('d-here', sums)).toBe(true)
    expect(await isKept('d-elsewhere', sums)).toBe(false)
  })

  it('goes, for good, where its operators hold on to much', async () => {
    for (let again = 0; again < 4; again++) expect(await ask('d-large', large)).toEqual([[599_996n, 21n]])
    expect(await within(({ statements }) => statements.find('d-large', large))).toBeUndefined()
    expect(await isKept('d-sums', sums)).toBe(true)
  })

  it('is tried another time where something else runs beside it', async () => {
    const other = await instance.acquire('UTC')
    await ask('d-beside', sums)
    await ask('d-beside', sums)
    expect(await isKept('d-beside', sums)).toBe(false)
    instance.release(other, true)
  })

  it('goes when memory is short', async () => {
    await ask('d-short', sums)
    await ask('d-short', sums)
    expect(await isKept('d-short', sums)).toBe(true)
    expect(await instance.shrink()).toBe(true)
    expect(await isKept('d-short', sums)).toBe(false)
  })

  it('stays in bounds, the longest unused going first', async () => {
    const ask20 = async (from: number): Promise<void> => {
      for (let number = from; number < from + 20; number++) {
        for (let again = 0; again < 2; again++) await ask(`d-${number}`, `SELECT ${number} AS n`)
      }
    }
    await ask20(0)
    expect(await isKept('d-0', 'SELECT 0 AS n')).toBe(true)
    await ask20(20)
    expect(await isKept('d-1', 'SELECT 1 AS n')).toBe(false)
    expect(await isKept('d-39', 'SELECT 39 AS n')).toBe(true)
  })

  it('gives the error that it gave before', async () => {
    const wrong = "SELECT CAST('x' || range AS INTEGER) FROM range(3)"
    for (let again = 0; again < 3; again++) {
      const session = await instance.acquire('UTC')
      await expect(session.whole(wrong, 'd-wrong')).rejects.toThrow('Could not convert string')
      instance.release(session, false)
    }
  })
})
