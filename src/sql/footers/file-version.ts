import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { ForebayError, fileUnreadable } from '../../model/errors.js'
import type { FileVersion } from '../../model/segment.js'

const tailBytes = 8
const footerBytesMax = 256 * 1024 * 1024

/** The version of a Parquet file's bytes as they are now. Throws FILE_UNREADABLE for what is no Parquet file by its ends. */
export async function fileVersion(path: string): Promise<FileVersion> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw fileUnreadable(`file "${path}" is not readable: ${reason(cause)}`, cause)
  })
  try {
    const { size, mtimeNs, ino } = await file.stat({ bigint: true })
    const footerHash = await hashFooter(file, path, Number(size))
    return { path, size: Number(size), mtimeNs: String(mtimeNs), inode: String(ino), footerHash }
  } finally {
    await file.close()
  }
}

async function hashFooter(file: FileHandle, path: string, size: number): Promise<string> {
  const broken = (why: string): ForebayError => fileUnreadable(`file "${path}" is not readable: ${why}`)
  if (size < 12) throw broken('it is too short for a Parquet file')
  const tail = Buffer.alloc(tailBytes)
  await file.read(tail, 0, tailBytes, size - tailBytes)
  const magic = tail.toString('latin1', 4)
  if (magic === 'PARE') throw broken('it is encrypted')
  if (magic !== 'PAR1') throw broken('it does not end as a Parquet file does')
  const length = tail.readUInt32LE(0)
  if (length > size - 12 || length > footerBytesMax) throw broken('its footer does not fit into it')
  const footer = Buffer.alloc(length)
  await file.read(footer, 0, length, size - tailBytes - length)
  return createHash('sha256').update(footer).digest('hex').slice(0, 16)
}

function reason(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return 'it does not exist'
  if (error.code === 'EACCES' || error.code === 'EPERM') return 'permission denied'
  return error.code === 'EISDIR' ? 'it is a folder' : error.message
}

/** True where both are the same bytes as far as can be seen without reading them. */
export function sameVersion(a: FileVersion, b: FileVersion): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.inode === b.inode && a.footerHash === b.footerHash
}
