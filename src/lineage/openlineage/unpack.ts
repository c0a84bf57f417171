import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { ForebayError } from '../../model/errors.js'

/** How a body may be packed; '' is not at all. */
export const encodings = ['', 'identity', 'gzip', 'x-gzip', 'deflate', 'br'] as const
export type Encoding = (typeof encodings)[number]

/** The encoding that a header names. Throws REQUEST_INVALID for one that is not understood. */
export function encodingOf(header: string | undefined): Encoding {
  const name = (header ?? '').trim().toLowerCase()
  if ((encodings as readonly string[]).includes(name)) return name as Encoding
  throw new ForebayError('REQUEST_INVALID', `content-encoding "${name.slice(0, 50)}" is not understood`, {
    hint: 'send the body plain or as gzip',
  })
}

/** Unpacks a body. Throws REQUEST_INVALID when it cannot be, REQUEST_TOO_LARGE when more than `bytesMax` comes out. */
export function unpack(bytes: Uint8Array, encoding: Encoding, bytesMax: number): Uint8Array {
  if (encoding === '' || encoding === 'identity') return bytes
  const unpacker = encoding === 'br' ? brotliDecompressSync : encoding === 'deflate' ? inflateSync : gunzipSync
  try {
    return unpacker(bytes, { maxOutputLength: bytesMax })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new ForebayError('REQUEST_TOO_LARGE', `the body unpacks to more than ${bytesMax} bytes`, {
        hint: 'limits.lineageBytes of the configuration sets the limit',
      })
    }
    throw new ForebayError('REQUEST_INVALID', `the body is not ${encoding}: ${(error as Error).message}`, { cause: error })
  }
}
