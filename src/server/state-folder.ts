/**
 * The folder that a server owns. One server at a time: the lock is an exclusive SQLite transaction on a file of its own, because
 * the operating system drops it with the process, also after kill -9, and it needs no guess whether some process id is
 * still the one that wrote it. Nothing else of this process may open that file: closing it would drop the lock.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite'
import { ForebayError } from '../model/errors.js'
import { writeWhole } from '../model/whole-file.js'

/** Form of what stands in a state folder. A folder of a higher version is not opened. */
export const stateVersion = 1

export interface StateFolder {
  readonly path: string
  /** A folder inside, made when it is missing. */
  inner(name: string): string
  /** Free bytes of the disk that it stands on. */
  freeBytes(): number
  /** Notes who serves from it, for the message that another server gives. */
  announce(url: string): Promise<void>
  /** Gives the lock back. */
  release(): void
}

/** Takes the folder, making it when it is missing. Throws STATE_IN_USE, STATE_TOO_NEW, DISK_EXCEEDED or CONFIGURATION_INVALID. */
export function openStateFolder(path: string, diskFreeMin: number): StateFolder {
  makeWritable(path)
  const release = lock(path)
  try {
    checkVersion(path)
    const free = freeBytes(path)
    if (free < diskFreeMin) {
      throw new ForebayError(
        'DISK_EXCEEDED',
        `the disk of the state folder ${path} has ${free} bytes free, ${diskFreeMin} are needed`,
        {
          hint: 'free some space, or choose another folder with --state DIR',
        },
      )
    }
  } catch (error) {
    release()
    throw error
  }
  return {
    path,
    inner: (name) => {
      const folder = join(path, name)
      mkdirSync(folder, { recursive: true })
      return folder
    },
    freeBytes: () => freeBytes(path),
    announce: async (url) => {
      await writeWhole(join(path, 'server.json'), `${JSON.stringify({ pid: process.pid, url })}\n`)
    },
    release,
  }
}

function makeWritable(path: string): void {
  try {
    makeFolder(path)
    accessSync(path, constants.W_OK | constants.R_OK | constants.X_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOSPC') {
      throw new ForebayError('DISK_EXCEEDED', `no space for the state folder ${path}`, {
        hint: 'free some space, or choose another folder with --state DIR',
        cause: error,
      })
    }
    const why = code === 'ENOTDIR' ? 'it is not a folder' : (error as Error).message
    throw new ForebayError('CONFIGURATION_INVALID', `state folder ${path} is not writable: ${why}`, {
      hint: 'give this user the right to write there, or choose another folder with --state DIR',
      cause: error,
    })
  }
}

/** Step by step: where the system makes no folders (/proc), `recursive` tries again for ever. Throws ENOTDIR where a file is in the way. */
function makeFolder(path: string): void {
  const missing: string[] = []
  for (let at = path; !existsSync(at); at = dirname(at)) missing.unshift(at)
  for (const folder of missing) {
    try {
      mkdirSync(folder)
    } catch (error) {
      // Another server may have made it just now.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  if (!statSync(path).isDirectory()) throw Object.assign(new Error(`${path} is no folder`), { code: 'ENOTDIR' })
}

function lock(path: string): () => void {
  let database: DatabaseSyncInstance | undefined
  try {
    database = new DatabaseSync(join(path, 'lock.sqlite'))
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if (!/locked|busy/i.test((error as Error).message)) {
      throw new ForebayError('CONFIGURATION_INVALID', `state folder ${path} cannot be locked: ${(error as Error).message}`, {
        hint: 'the folder must be on a disk of this machine and writable',
        cause: error,
      })
    }
    throw new ForebayError('STATE_IN_USE', `state folder ${path} is in use by ${owner(path)}`, {
      hint: 'stop that server, or give this one a folder of its own with --state DIR',
      cause: error,
    })
  }
  const held = database
  return () => {
    if (held.isOpen) held.close()
  }
}

function owner(path: string): string {
  try {
    const { pid, url } = JSON.parse(readFileSync(join(path, 'server.json'), 'utf8')) as { pid: number; url: string }
    return `another server (process ${pid}, ${url})`
  } catch {
    return 'another server'
  }
}

function checkVersion(path: string): void {
  const file = join(path, 'version')
  let text: string | undefined
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch {
    // Whole and on disk before it has its name: a folder whose version cannot be read could not be opened again.
    writeFileSync(`${file}.tmp`, `${stateVersion}\n`, { flush: true })
    renameSync(`${file}.tmp`, file)
    return
  }
  const version = Number(text)
  if (Number.isInteger(version) && version >= 1 && version <= stateVersion) return
  throw new ForebayError(
    'STATE_TOO_NEW',
    `state folder ${path} has version "${text.slice(0, 20)}", this Forebay knows up to ${stateVersion}`,
    {
      hint: 'use the newer Forebay that wrote it, or give this one a folder of its own with --state DIR',
    },
  )
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}
