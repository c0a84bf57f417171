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

it('holds up no checkpoint by a reader that was closed within its transaction', () => {
  const path = join(temporaryFolder(), 'a.sqlite')
  const writer = openDatabase(path, 'normal')
  onTestFinished(() => writer.close())
  writer.exec('CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1)')
  const reader = openReadOnly(path)
  reader.exec('BEGIN')
  // A statement that is still known, as one is until it is collected as garbage.
  const statement = reader.prepare('SELECT count(*) FROM t')
  statement.get()
  reader.close()
  writer.exec('INSERT INTO t VALUES (2)')
  const { log, checkpointed } = writer.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as { log: number; checkpointed: number }
  expect(checkpointed).toBe(log)
  expect(() => statement.get()).toThrow()
})

it('lets others write once a connection was closed within its transaction', () => {
  const path = join(temporaryFolder(), 'a.sqlite')
  const first = openDatabase(path, 'normal')
  first.exec('CREATE TABLE t (x INTEGER)')
  const insert = first.prepare('INSERT INTO t VALUES (?)')
  first.exec('BEGIN IMMEDIATE')
  insert.run(1)
  first.close()
  const second = openDatabase(path, 'normal')
  onTestFinished(() => second.close())
  second.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (2); COMMIT')
  expect(second.prepare('SELECT count(*) AS rows FROM t').get()).toEqual({ rows: 1 })
})

it('keeps few pages in memory for each of the connections', () => {
  const path = join(temporaryFolder(), 'pages.sqlite')
  for (const open of [() => openDatabase(path, 'full'), () => openReadOnly(path)]) {
    const database = open()
    onTestFinished(() => database.close())
    expect(database.prepare('PRAGMA cache_size').get()).toEqual({ cache_size: -8 * 1024 })
  }
})
