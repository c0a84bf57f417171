import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'

/** Bytes are read in pieces of this size, so that a large file takes no large buffer. */
const pieceBytes = 1 << 20
/** A file up to this size is read at once: 30 µs, where four turns of the thread pool take 200 µs and milliseconds under load. */
const readAtOnceMax = 1 << 18

/** CRC-32 (unsigned) and size of `length` bytes of a file from `offset` on; of the whole file by default. */
export async function fileCrc32(
  path: string,
  offset = 0,
  length = Number.MAX_SAFE_INTEGER,
): Promise<{ crc32: number; bytes: number }> {
  const file = await open(path, 'r')
  try {
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, length))
    let crc = 0
    let bytes = 0
    while (bytes < length) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, length - bytes), offset + bytes)
      if (bytesRead === 0) break
      crc = crc32(buffer.subarray(0, bytesRead), crc)
      bytes += bytesRead
    }
    return { crc32: crc, bytes }
  } finally {
    await file.close()
  }
}

/** CRC-32 and size of a whole file that is most likely small. */
export async function segmentCrc32(path: string): Promise<{ crc32: number; bytes: number }> {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    if (size <= readAtOnceMax) {
      const buffer = Buffer.allocUnsafe(size)
      const bytes = readSync(file, buffer, 0, size, 0)
      return { crc32: crc32(buffer.subarray(0, bytes)), bytes }
    }
  } finally {
    closeSync(file)
  }
  return fileCrc32(path)
}
