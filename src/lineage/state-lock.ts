import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import { ForebayError } from '../model/errors.js'
import type { Database } from './database.js'

/** Layout of the state folder as a whole; a higher number was written by a newer Forebay. */
export const stateFormat = 1

/** A state folder that is ours alone. */
export interface StateLock {
  /** Gives the folder free; calling it twice is fine. */
  release(): void
}

/**
 * Takes a state folder, made when absent, for this process alone. The lock is the operating system's on a file that SQLite holds
 * open, so it ends with the process, also after kill -9. Throws STATE_IN_USE, STATE_TOO_NEW, or CONFIGURATION_INVALID when the
 * folder cannot be made or written. Takes a few milliseconds; to be called before anything else opens the folder.
 */
export function lockStateFolder(folder: string): StateLock {
  const holder = join(folder, 'lock.pid')
  const database = openLock(folder, holder)
  try {
    checkFormat(folder)
    writeFileSync(holder, `${process.pid}\n`)
  } catch (error) {
    database.close()
    throw error
  }
  return {
    release: () => {
      if (database.isOpen) database.close()
    },
  }
}

function openLock(folder: string, holder: string): Database {
  let database: Database | undefined
  try {
    mkdirSync(folder, { recursive: true })
    database = new DatabaseSync(join(folder, 'lock.sqlite'))
    database.exec(
      'PRAGMA journal_mode = DELETE; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; PRAGMA user_version = 1; COMMIT',
    )
    return database
  } catch (error) {
    database?.close()
    if (!/database is locked|SQLITE_BUSY/i.test(String(error))) {
      throw new ForebayError('CONFIGURATION_INVALID', `the state folder "${folder}" cannot be written: ${messageOf(error)}`, {
        hint: 'name another folder with --state, or free the disk',
        cause: error,
      })
    }
    throw new ForebayError('STATE_IN_USE', `the state folder "${folder}" is in use by process ${readText(holder) ?? 'unknown'}`, {
      hint: 'stop that server, or name another folder with --state',
      cause: error,
    })
  }
}

function checkFormat(folder: string): void {
  const path = join(folder, 'format')
  const text = readText(path)
  const format = text === undefined ? stateFormat : Number(text)
  if (format > stateFormat) {
    throw new ForebayError(
      'STATE_TOO_NEW',
      `the state folder "${folder}" has format ${format}; this version knows ${stateFormat}`,
      {
        hint: 'start the newer version of forebay, or name another folder with --state',
      },
    )
  }
  if (text === undefined) writeFileSync(path, `${stateFormat}\n`)
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
