import { cpSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openDatabase, openReadOnly } from '../../../src/lineage/database.js'
import { makeRoom } from '../../../src/lineage/log/log-room.js'
import { temporaryFolder } from '../lineage-fixtures.js'

it('makes the write-ahead log longer, and nothing that is committed before, meanwhile or after is lost in a crash', () => {
  const folder = temporaryFolder()
  const path = join(folder, 'log.sqlite')
  const database = openDatabase(path, 'full')
  database.exec('CREATE TABLE t (a INTEGER)')
  const bytes = 3 << 20
  let slices = 0
  for (const _ of makeRoom(database, path, bytes)) database.prepare('INSERT INTO t VALUES (?)').run(slices++)
  expect(slices).toBeGreaterThan(2)
  expect(statSync(`${path}-wal`).size).toBe(bytes)
  database.exec('INSERT INTO t VALUES (100)')
  expect(statSync(`${path}-wal`).size).toBe(bytes)
  // What a crash leaves behind: both files as they are, without the index in shared memory.
  for (const suffix of ['', '-wal']) cpSync(path + suffix, join(folder, `crashed.sqlite${suffix}`))
  database.close()
  const crashed = openDatabase(join(folder, 'crashed.sqlite'), 'full')
  expect(crashed.prepare('SELECT count(*) AS rows, max(a) AS last FROM t').get()).toEqual({ rows: slices + 1, last: 100 })
  crashed.close()
  const closed = openReadOnly(path)
  expect(closed.prepare('SELECT count(*) AS rows FROM t').get()).toEqual({ rows: slices + 1 })
  closed.close()
})

it('waits for the transaction of another connection, whose commit goes where the room is made', () => {
  const path = join(temporaryFolder(), 'log.sqlite')
  const database = openDatabase(path, 'full')
  database.exec('CREATE TABLE t (a INTEGER); PRAGMA busy_timeout = 0')
  const other = openDatabase(path, 'full')
  other.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
  expect(() => makeRoom(database, path, 3 << 20).next()).toThrow('locked')
  other.exec('COMMIT')
  expect([...makeRoom(database, path, 3 << 20)].length).toBeGreaterThan(2)
  other.close()
  database.close()
})
