import { constants, stat as statWithCallback } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'

/** Two hundred at once take half as long as those of `node:fs/promises`, and a query may ask for that many. */
const stat = promisify(statWithCallback)

/** What is known of a file or folder without opening it. */
export interface FileStamp {
  readonly path: string
  readonly kind: 'file' | 'folder' | 'other'
  readonly size: number
  /** Nanoseconds, as a decimal string. */
  readonly mtimeNs: string
  readonly inode: string
}

/** One name in a folder. A link is followed by `stat`. */
export interface FolderEntry {
  readonly name: string
  readonly kind: 'file' | 'folder' | 'link' | 'other'
}

/** All that the catalogue does to a disk, so that a test can let any one call fail. */
export interface FileSystem {
  /** Names in a folder; undefined where there is no such folder. */
  list(folder: string): Promise<readonly FolderEntry[] | undefined>
  /** Follows links; undefined where there is nothing. */
  stat(path: string): Promise<FileStamp | undefined>
  /** The whole file as text; undefined where there is none. */
  read(path: string): Promise<string | undefined>
  /** CRC-32 of the whole file. */
  checksum(path: string): Promise<number>
  /** A new file with this text; resolves when its bytes survive a power cut (its name needs `sync` of the folder). */
  write(path: string, text: string): Promise<void>
  /** Makes the bytes of a file, or the names in a folder, survive a power cut. */
  sync(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Makes a folder and those above it. */
  makeFolder(path: string): Promise<void>
  /** Removes a file or a whole folder; nothing there is fine. */
  remove(path: string): Promise<void>
}

/** The machine's own disk. */
export const nodeFileSystem: FileSystem = {
  list: (folder) =>
    absentAsUndefined(async () =>
      (await readdir(folder, { withFileTypes: true })).map((entry) => ({
        name: entry.name,
        kind: entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'other',
      })),
    ),
  stat: (path) =>
    absentAsUndefined(async () => {
      const facts = await stat(path, { bigint: true })
      return {
        path,
        kind: facts.isFile() ? 'file' : facts.isDirectory() ? 'folder' : 'other',
        size: Number(facts.size),
        mtimeNs: String(facts.mtimeNs),
        inode: String(facts.ino),
      }
    }),
  read: (path) => absentAsUndefined(() => readFile(path, 'utf8')),
  async checksum(path) {
    const file = await open(path, 'r')
    let sum = 0
    // Small pieces: this runs in the coordinator, and none of them may hold it up.
    for await (const piece of file.createReadStream({ highWaterMark: 1 << 18 })) sum = crc32(piece as Buffer, sum)
    return sum
  },
  async write(path, text) {
    const file = await open(path, 'w', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
  },
  async sync(path) {
    const file = await open(path, constants.O_RDONLY)
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  },
  rename: (from, to) => rename(from, to),
  async makeFolder(path) {
    await mkdir(path, { recursive: true })
  },
  remove: (path) => rm(path, { recursive: true, force: true }),
}

async function absentAsUndefined<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP'
}

/** Runs `work` on each item, at most `width` at a time, results in the order of the items. */
export async function inBatches<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index] as T)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane))
  return results
}
