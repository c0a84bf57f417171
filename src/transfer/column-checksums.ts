/**
 * Checksums of the column chunks of the users' own Parquet files. DuckDB does not check the files' bytes, and most flipped bits
 * give a wrong answer without an error (measured: 39–83 %). So each chunk's CRC-32 is recorded at the first read, and verified once
 * per start before it is used again. What happened to a file before the recording, nobody can tell.
 *
 * One JSON file per version of a Parquet file: `{"path","size","mtimeNs","inode","columns":{"a":[[offset,length,crc],…]}}`, with
 * the chunks in the order of the row groups. The footer is a column too, under the empty name: it says what the bytes mean.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type ByName, byName, valueOf } from '../model/by-name.js'
import { ForebayError } from '../model/errors.js'
import { type BaseSegment, type FileVersion, stableHash } from '../model/segment.js'
import { fileCrc32 } from './crc32.js'
import { checkVersions } from './file-version.js'

/** Where a column chunk stands in a file. */
export interface ChunkPlace {
  /** The column's name; of a nested column the path to one of its leaves, joined by `, `. */
  readonly leaf: string
  readonly offset: number
  readonly length: number
}

/** Tells the places of all column chunks of the segment's file, row group by row group. */
export type ReadChunkPlaces = () => Promise<readonly ChunkPlace[]>

/** `[offset, length, crc]` */
type ChunkChecksum = readonly [number, number, number]

interface FileChecksums {
  readonly path: string
  readonly size: number
  readonly mtimeNs: string
  readonly inode: string
  readonly columns: ByName<readonly ChunkChecksum[]>
}

const footer = ''

/** Records and verifies checksums in a folder that all nodes share. */
export class ColumnChecksums {
  readonly #folder: string
  #count = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Where the checksums of a version of a file are kept. */
  pathOf(file: FileVersion): string {
    const version = [file.path, String(file.size), file.mtimeNs, file.inode, file.footerHash]
    return join(this.#folder, `${stableHash(version)}.json`)
  }

  /** Records the footer and those of the columns that are not recorded yet. Rejects with SEGMENT_CHANGED when the file is another. */
  async record(segment: BaseSegment, columns: readonly string[], readPlaces: ReadChunkPlaces): Promise<void> {
    const { file } = segment
    const known = await this.#read(file)
    const wanted = [footer, ...columns].filter((column) => known === undefined || valueOf(known.columns, column) === undefined)
    if (wanted.length === 0) return
    await checkVersions([segment])
    const added = new Map<string, ChunkChecksum[]>(wanted.map((column) => [column, []]))
    for (const { leaf, offset, length } of [...(await readPlaces()), await footerPlace(file)]) {
      const holders = wanted.filter((column) => leaf === column || (column !== footer && leaf.startsWith(`${column}, `)))
      if (holders.length === 0) continue
      const { crc32 } = await fileCrc32(file.path, offset, length)
      for (const column of holders) added.get(column)?.push([offset, length, crc32])
    }
    await checkVersions([segment])
    const { path, size, mtimeNs, inode } = file
    await this.#write(file, { path, size, mtimeNs, inode, columns: { ...known?.columns, ...byName(added) } })
  }

  /** Rejects with CHECKSUM_MISMATCH when a recorded chunk of these columns, or the footer, is not what it was. */
  async verify(segment: BaseSegment, columns: readonly string[], signal?: AbortSignal): Promise<void> {
    const known = await this.#read(segment.file)
    if (known === undefined) return
    for (const column of [footer, ...columns]) {
      const chunks = valueOf(known.columns, column)
      for (const [offset, length, expected] of chunks ?? []) {
        signal?.throwIfAborted()
        const found = await fileCrc32(segment.file.path, offset, length).catch((error: unknown) => {
          throw new ForebayError('FILE_UNREADABLE', `file "${segment.file.path}" is not readable: ${error}`, { cause: error })
        })
        if (found.crc32 !== expected || found.bytes !== length) throw damaged(segment.file.path, column)
      }
    }
  }

  async #read(file: FileVersion): Promise<FileChecksums | undefined> {
    try {
      return JSON.parse(await readFile(this.pathOf(file), 'utf8')) as FileChecksums
    } catch {
      // Not recorded yet, or unreadable itself: then it is recorded anew.
      return undefined
    }
  }

  async #write(file: FileVersion, checksums: FileChecksums): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    const path = this.pathOf(file)
    const temporary = `${path}.${process.pid}-${++this.#count}.tmp`
    try {
      const handle = await open(temporary, 'w')
      try {
        await handle.writeFile(JSON.stringify(checksums))
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
    } finally {
      await rm(temporary, { force: true })
    }
  }
}

/** The footer with its length and the closing magic: the last bytes of the file. */
async function footerPlace(file: FileVersion): Promise<ChunkPlace> {
  const handle = await open(file.path, 'r')
  try {
    const tail = Buffer.alloc(8)
    await handle.read(tail, 0, 8, file.size - 8)
    const length = Math.min(file.size, tail.readUInt32LE(0) + 8)
    return { leaf: footer, offset: file.size - length, length }
  } finally {
    await handle.close()
  }
}

function damaged(path: string, column: string): ForebayError {
  const part = column === footer ? 'its footer' : `column "${column}"`
  return new ForebayError('CHECKSUM_MISMATCH', `file "${path}" is damaged: ${part} is not what it was when it was first read`, {
    hint: 'restore the file from a backup, or touch it when its new bytes are right',
  })
}
