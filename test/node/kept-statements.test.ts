import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Instance } from '../../src/node/instance.js'
import { chunksOf } from '../../src/node/session.js'
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
  const session = await instance.acquire('UTC', answer)
  const rows = chunksOf(await session.whole(sql, answer)).flatMap((chunk) => chunk.getRows())
  instance.release(session, true)
  return rows
}

async function askTwice(answer: string, sql: string): Promise<void> {
  for (let time = 0; time < 2; time++) await ask(answer, sql)
}

async function isKept(answer: string): Promise<boolean> {
  const session = await instance.acquire('UTC', answer)
  const { has, onTrial } = { has: session.statements.has(answer), onTrial: session.statements.onTrial }
  instance.release(session, true)
  return has && !onTrial
}

describe('a statement that comes again', () => {
  it('is planned once, and gives the same each time', async () => {
    const rows = await ask('d-sums', sums)
    expect(await isKept('d-sums')).toBe(false)
    expect(await ask('d-sums', sums)).toEqual(rows)
    expect(await isKept('d-sums')).toBe(true)
    for (let again = 0; again < 3; again++) expect(await ask('d-sums', sums)).toEqual(rows)
  })

  it('is another one where it gives something else, or stands in other words', async () => {
    await askTwice('d-here', sums)
    expect(await isKept('d-here')).toBe(true)
    expect(await isKept('d-elsewhere')).toBe(false)
    expect(await ask('d-here', 'SELECT 5 AS n')).toEqual([[5]])
    expect(await ask('d-here', sums)).toEqual(await ask('d-sums', sums))
  })

  it('goes, for good, where its operators hold on to much', async () => {
    for (let again = 0; again < 4; again++) {
      expect(await ask('d-large', large)).toEqual([[599_996n, 21n]])
      expect(await isKept('d-large')).toBe(false)
    }
    expect(await isKept('d-sums')).toBe(true)
  })

  it('is judged also while something runs beside it', async () => {
    const other = await instance.acquire('UTC')
    await askTwice('d-beside', sums)
    expect(await isKept('d-beside')).toBe(true)
    instance.release(other, true)
  })

  it('holds nothing that a statement beside it needs', async () => {
    const list = `SELECT length(list('text of number ' || range)) FROM range(2400000)`
    const other = await instance.acquire('UTC')
    await askTwice('d-list', list)
    expect(await isKept('d-list')).toBe(false)
    expect(await other.rows(list)).toEqual([[2_400_000n]])
    instance.release(other, true)
  })

  it('may come again where only what ran beside it held much', async () => {
    const other = await instance.acquire('UTC')
    const holding = await other.connection.prepare(large)
    await holding.run()
    await askTwice('d-innocent', sums)
    expect(await isKept('d-innocent')).toBe(false)
    holding.destroySync()
    await ask('d-innocent', sums)
    expect(await isKept('d-innocent')).toBe(true)
    instance.release(other, true)
  })

  it('goes also where what is held has been moved to the disk', async () => {
    const other = await instance.acquire('UTC')
    const holding = await other.connection.prepare(large)
    await holding.run()
    await other.rows(`SELECT max(s), max(r) FROM
      (SELECT s, row_number() OVER (ORDER BY hash(s)) AS r FROM (SELECT repeat('y', 60) || range AS s FROM range(2000000)))`)
    await askTwice('d-moved', sums)
    expect(await isKept('d-moved')).toBe(false)
    holding.destroySync()
    instance.release(other, true)
  })

  it('keeps nothing else waiting while it is judged beside another', async () => {
    const beside = await instance.acquire('UTC')
    await ask('d-judged', sums)
    const session = await instance.acquire('UTC', 'd-judged')
    await session.whole(sums, 'd-judged')
    instance.release(session, true)
    const other = await instance.acquire('UTC')
    expect(other).not.toBe(session)
    expect(await isKept('d-judged')).toBe(true)
    for (const each of [beside, other]) instance.release(each, true)
  })

  it('is judged on a connection that nobody takes meanwhile', async () => {
    await ask('d-taken', sums)
    const session = await instance.acquire('UTC', 'd-taken')
    await session.whole(sums, 'd-taken')
    const begun = instance.acquire('UTC', 'd-taken')
    instance.release(session, true)
    expect(await begun).not.toBe(session)
    instance.release(await begun, true)
    expect(await isKept('d-taken')).toBe(true)
  })

  it('goes where another comes on its connection before it was judged', async () => {
    await ask('d-unjudged', sums)
    await askTwice('d-other', sums)
    const session = await instance.acquire('UTC', 'd-other')
    for (const answer of ['d-unjudged', 'd-other']) await session.whole(sums, answer)
    instance.release(session, true)
    expect(await isKept('d-unjudged')).toBe(false)
    expect(await isKept('d-other')).toBe(true)
  })

  it('is found on whichever connection has it', async () => {
    await askTwice('d-found', sums)
    const keeper = await instance.acquire('UTC', 'd-found')
    const other = await instance.acquire('UTC')
    instance.release(keeper, true)
    instance.release(other, true)
    expect(await isKept('d-found')).toBe(true)
  })

  it('goes when memory is short, also while something runs', async () => {
    await askTwice('d-short', sums)
    const keeper = await instance.acquire('UTC', 'd-short')
    const other = await instance.acquire('UTC')
    instance.release(keeper, true)
    expect(keeper.statements.has('d-short')).toBe(true)
    expect(await instance.shrink()).toBe(false)
    expect(keeper.statements.has('d-short')).toBe(false)
    instance.release(other, true)
  })

  it('stays in bounds, the longest unused going first', async () => {
    for (let number = 0; number < 20; number++) await askTwice(`d-${number}`, `SELECT ${number} AS n`)
    expect(await isKept('d-0')).toBe(true)
    for (let number = 20; number < 40; number++) await askTwice(`d-${number}`, `SELECT ${number} AS n`)
    expect(await isKept('d-1')).toBe(false)
    expect(await isKept('d-39')).toBe(true)
  })

  it('is planned each time where it joins ASOF, which no plan does twice', async () => {
    const numbers = 'SELECT range AS at, range % 3 AS k FROM range(1000)'
    const joined = `SELECT count(*), sum(b.at)::BIGINT FROM (${numbers}) AS a ASOF JOIN (${numbers}) AS b ON a.k = b.k AND a.at >= b.at`
    for (let again = 0; again < 4; again++) expect(await ask('d-asof', joined)).toEqual([[1000n, 499_500n]])
    expect(await isKept('d-asof')).toBe(false)
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
