import { closeSync, fstatSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { type Database, inTransaction } from '../database.js'

const zeros = Buffer.alloc(1 << 20)

/**
 * Makes a database's write-ahead log as long as it will become, slice by slice, before commits do. A commit that writes into a
 * file reaches the disk in less than half of the time of one that makes it longer, since the length has to reach the disk too
 * (measured on ext4). SQLite starts again at the front after each checkpoint, and does not read what stands behind the last frame.
 * Each slice is written inside a transaction: another connection's commit must not come to stand where the zeros go.
 */
export function* makeRoom(database: Database, databasePath: string, bytes: number): Generator<void, void> {
  const file = openSync(`${databasePath}-wal`, 'r+')
  const lengthen = (): boolean => {
    const { size } = fstatSync(file)
    if (size >= bytes) return false
    writeSync(file, zeros, 0, Math.min(zeros.length, bytes - size), size)
    return true
  }
  try {
    while (inTransaction(database, lengthen)) yield
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
