import { type BigIntStats, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { ForebayError, fileUnreadable } from '../model/errors.js'
import type { BaseSegment, FileVersion } from '../model/segment.js'

/** So few files are checked at once without waiting: a call of 5 µs each is cheaper than a thread's turn. */
const checkedAtOnceMax = 32

/**
 * Rejects with SEGMENT_CHANGED when a file is not the version that the snapshot pinned, by size, mtime and inode, and with
 * FILE_UNREADABLE when it cannot be read. Called before and after a task reads.
 */
export async function checkVersions(segments: readonly BaseSegment[]): Promise<void> {
  const files = new Map(segments.map((segment) => [segment.file.path, segment.file]))
  if (files.size <= checkedAtOnceMax) {
    for (const file of files.values()) checkVersion(file, readNow(file))
    return
  }
  await Promise.all([...files.values()].map(async (file) => checkVersion(file, await read(file))))
}

function checkVersion(file: FileVersion, found: BigIntStats | undefined): void {
  if (
    found === undefined ||
    found.size !== BigInt(file.size) ||
    String(found.mtimeNs) !== file.mtimeNs ||
    String(found.ino) !== file.inode
  ) {
    throw new ForebayError(
      'SEGMENT_CHANGED',
      `file "${file.path}" ${found === undefined ? 'is gone' : 'has changed'} since it was planned`,
    )
  }
}

function readNow(file: FileVersion): BigIntStats | undefined {
  try {
    return statSync(file.path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    throw unreadable(file.path, error)
  }
}

async function read(file: FileVersion): Promise<BigIntStats | undefined> {
  try {
    return await stat(file.path, { bigint: true })
  } catch (error) {
    if (isMissing(error)) return undefined
    throw unreadable(file.path, error)
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}

function unreadable(path: string, cause: unknown): ForebayError {
  return fileUnreadable(`file "${path}" is not readable: ${cause instanceof Error ? cause.message : cause}`, cause)
}
