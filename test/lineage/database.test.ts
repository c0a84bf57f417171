import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openDatabase, openReadOnly, writeAheadBytes } from '../../src/lineage/database.js'
import { temporaryFolder } from './lineage-fixtures.js'

it('gives the room back that the write-ahead log took while somebody read', () => {
  const path = join(temporaryFolder(), 'a.sqlite')
  const writer = openDatabase(path, 'normal')
  writer.exec('CREATE TABLE t (x BLOB); INSERT INTO t VALUES (1)')
  const reader = openReadOnly(path)
  onTestFinished(() => {
    reader.close()
    writer.close()
  })
  const walBytes = (): number => statSync(`${path}-wal`).size
  const write = (megabytes: number): void => {
    for (let turn = 0; turn < megabytes; turn++) writer.exec('UPDATE t SET x = randomblob(1000000)')
  }
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM t').get()
  write(90)
  expect(walBytes()).toBeGreaterThan(80e6)
  reader.exec('COMMIT')
  // Once everything has been brought over, the file begins anew.
  write(40)
  expect(walBytes()).toBeLessThanOrEqual(writeAheadBytes)
})
