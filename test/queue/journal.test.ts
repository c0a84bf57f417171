import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Journal } from '../../src/queue/embedded/journal.js'

let folder: string
const path = (): string => join(folder, 'deep', 'accepted.jsonl')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'forebay-journal-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('Journal', () => {
  it('knows after a restart what was put and is not done, oldest first', async () => {
    const journal = await Journal.open(path())
    await Promise.all([journal.put('a', { sql: 'SELECT 1' }), journal.put('b', 2), journal.put('c', 3)])
    await journal.done('b')
    // Not closed: the process died.
    const again = await Journal.open(path())
    expect([...again.entries()]).toEqual([
      ['a', { sql: 'SELECT 1' }],
      ['c', 3],
    ])
    await again.close()
    await journal.close()
  })

  it('is on disk when the promise resolves', async () => {
    const journal = await Journal.open(path())
    await journal.put('a', 1)
    expect(readFileSync(path(), 'utf8')).toContain('"put":"a"')
    await journal.close()
  })

  it('leaves out a line that was torn by a crash', async () => {
    const journal = await Journal.open(path())
    await journal.put('a', 1)
    await journal.close()
    appendFileSync(path(), '{"put":"b","val')
    const again = await Journal.open(path())
    expect([...again.entries().keys()]).toEqual(['a'])
    await again.put('c', 3)
    await again.close()
    expect([...(await Journal.open(path())).entries().keys()]).toEqual(['a', 'c'])
  })

  it('refuses what comes after its end', async () => {
    const journal = await Journal.open(path())
    await journal.close()
    await expect(journal.put('a', 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})
