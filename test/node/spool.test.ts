import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Spool } from '../../src/node/spool.js'

it('drops one file of a segment by its name, and all of them by its id', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-spool-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const spool = await Spool.open(folder, 1, 1e9)
  const publish = (segment: string): string => {
    const path = spool.passingPath('parquet')
    writeFileSync(path, segment)
    return basename(spool.publish(segment, path, 'parquet'))
  }
  const [first, second, other] = [publish('d-1'), publish('d-1'), publish('d-2')]
  await spool.drop([second])
  expect(readdirSync(spool.folder).toSorted()).toEqual([first, other].toSorted())
  expect(spool.find('d-1')).toBe(join(spool.folder, first))
  publish('d-1')
  await spool.drop(['d-1'])
  expect(readdirSync(spool.folder)).toEqual([other])
  expect(spool.find('d-1')).toBeUndefined()
})
