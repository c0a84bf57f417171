import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { JournalDeadLetters } from '../../src/queue/embedded/journal-dead-letters.js'

it('takes letters when its file can be opened that could not be before', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dead-letters-'))
  const inTheWay = join(folder, 'queue')
  await writeFile(inTheWay, '')
  const letters = new JournalDeadLetters(join(inTheWay, 'dead-letters.jsonl'))
  const letter = { id: 'l1', at: 1, attempts: 5, reason: { code: 'NODE_LOST', message: 'n1 is gone' } } as const
  await expect(letters.add(letter)).rejects.toThrow()
  await rm(inTheWay)
  await letters.add(letter)
  expect(await letters.list()).toEqual([letter])
  await letters.close()
  await rm(folder, { recursive: true })
})
