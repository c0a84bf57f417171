import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'

/** Bytes are read in pieces of this size, so that a large file takes no large buffer. */
const pieceBytes = 1 << 20

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
