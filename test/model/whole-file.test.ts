import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { writeWhole } from '../../src/model/whole-file.js'

const folder = mkdtempSync(join(tmpdir(), 'whole-file-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('replaces a file by another one, never by parts of it', async () => {
  const path = join(folder, 'note')
  await writeWhole(path, 'first')
  const before = statSync(path).ino
  await writeWhole(path, 'second')
  expect(readFileSync(path, 'utf8')).toBe('second')
  expect(statSync(path).ino).not.toBe(before)
  expect(readdirSync(folder)).toEqual(['note'])
})

test('leaves nothing beside a file that cannot be replaced', async () => {
  const path = join(folder, 'taken')
  mkdirSync(join(path, 'inner'), { recursive: true })
  await expect(writeWhole(path, 'text')).rejects.toThrow(/taken/)
  expect(readdirSync(folder)).toEqual(['note', 'taken'])
})
