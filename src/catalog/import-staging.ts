import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { ForebayError, importUnreadable } from '../model/errors.js'
import type { ImportFormat } from '../model/import-format.js'

/** An uploaded file, whole on disk until it is removed. */
export interface StagedFile {
  readonly path: string
  readonly bytes: number
  /** SHA-256 of the bytes. */
  readonly hash: string
  remove(): Promise<void>
}

export interface StageOptions {
  readonly format: ImportFormat
  /** A larger upload is refused with REQUEST_TOO_LARGE. */
  readonly bytesMax: number
  readonly signal: AbortSignal
}

/** Where uploads wait for a node to read them: `imports/` of the state folder. Nothing in it outlives the server. */
export class ImportStaging {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Makes the folder and removes what an earlier server left. */
  async open(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
    await mkdir(this.#folder, { recursive: true })
  }

  /** Saves an upload. Rejects with REQUEST_TOO_LARGE, DISK_EXCEEDED, REQUEST_INVALID (nothing in it) or what the stream fails with; then no file is left. */
  async stage(body: AsyncIterable<Uint8Array>, { format, bytesMax, signal }: StageOptions): Promise<StagedFile> {
    const folder = join(this.#folder, randomBytes(8).toString('hex'))
    await mkdir(folder)
    const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
    try {
      return { ...(await save(body, folder, format, bytesMax, signal)), remove }
    } catch (error) {
      await remove()
      const full = (error as NodeJS.ErrnoException).code === 'ENOSPC'
      throw full ? new ForebayError('DISK_EXCEEDED', 'no disk is left for the upload', { cause: error }) : error
    }
  }
}

async function save(
  body: AsyncIterable<Uint8Array>,
  folder: string,
  format: ImportFormat,
  bytesMax: number,
  signal: AbortSignal,
) {
  let [bytes, path] = [0, '']
  let file: Awaited<ReturnType<typeof open>> | undefined
  const hash = createHash('sha256')
  try {
    for await (const chunk of headFirst(body, gzipMark.length)) {
      signal.throwIfAborted()
      bytes += chunk.byteLength
      if (bytes > bytesMax) {
        throw new ForebayError('REQUEST_TOO_LARGE', `the upload is larger than the limit of ${bytesMax} bytes`, {
          hint: 'limits.importBytes of the configuration sets the limit',
        })
      }
      if (!file) {
        // DuckDB tells compression by the name.
        path = join(folder, `upload.${format}${isGzip(chunk) && format !== 'parquet' ? '.gz' : ''}`)
        file = await open(path, 'wx', 0o600)
      }
      hash.update(chunk)
      await file.appendFile(chunk)
    }
  } finally {
    await file?.close()
  }
  if (!file) throw new ForebayError('REQUEST_INVALID', 'the file is empty', { hint: 'send a file that has something in it' })
  if (path.endsWith('.gz')) await checkGzip(path, signal)
  return { path, bytes, hash: hash.digest('hex') }
}

/** Unpacks a file into nothing: DuckDB takes what there is of one that breaks off, and looks at no checksum. */
async function checkGzip(path: string, signal: AbortSignal): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  try {
    await pipeline(createReadStream(path), createGunzip({ chunkSize: unpackedBytes }), nowhere, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw importUnreadable(`the file cannot be unpacked: ${(error as Error).message}`, error)
  }
}

/** Unpacked at a time. */
const unpackedBytes = 1 << 20

/** The same bytes without empty chunks; the first chunk has at least so many of them, or all. */
export async function* headFirst(body: AsyncIterable<Uint8Array>, bytesMin: number): AsyncGenerator<Uint8Array> {
  let head: Uint8Array | undefined = new Uint8Array()
  for await (const chunk of body) {
    if (chunk.byteLength === 0) continue
    const joined: Uint8Array = head === undefined ? chunk : Buffer.concat([head, chunk])
    head = head !== undefined && joined.byteLength < bytesMin ? joined : undefined
    if (head === undefined) yield joined
  }
  if (head !== undefined && head.byteLength > 0) yield head
}

const gzipMark = [0x1f, 0x8b]

/** Whether a file is gzipped, by its first bytes. */
export function isGzip(head: Uint8Array): boolean {
  return gzipMark.every((byte, index) => head[index] === byte)
}
