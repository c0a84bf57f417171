import { join } from 'node:path'
import { type ErrorRecord, fileUnreadable, toErrorRecord } from '../model/errors.js'
import { type FileStamp, type FileSystem, type FolderEntry, inBatches } from './file-system.js'
import { byBytes } from './hive-partitions.js'

/** A name in the data folder that may be a table. */
export interface FoundTable {
  readonly name: string
  readonly kind: 'file' | 'folder'
  readonly path: string
}

/** What stands directly in the data folder. */
export interface DataFolder {
  readonly tables: readonly FoundTable[]
  /** Names that several files or folders claim, and why none of them is a table. */
  readonly clashes: readonly { readonly name: string; readonly error: ErrorRecord }[]
  readonly stamp: FolderStamp | undefined
}

/** A folder as it was before its names were read. */
export interface FolderStamp {
  readonly path: string
  readonly mtimeNs: string
  readonly inode: string
  /** True when it had just changed: a later change may then have the same mtime, so the stamp proves nothing. */
  readonly recent: boolean
}

/** The files of one table, in the order of its snapshot, and the folders they were found in. */
export interface Listing {
  readonly files: readonly FileStamp[]
  readonly folders: readonly FolderStamp[]
  /** The first thing that could not be read. */
  readonly error?: ErrorRecord
}

/** Times of change come in steps of up to 10 ms on Linux; a folder that changed within this span is listed again. */
const recentMs = 100
const depthMax = 32
const statsAtOnce = 16

/** Lists the data folder; one that does not exist has no tables. */
export async function listDataFolder(fileSystem: FileSystem, folder: string): Promise<DataFolder> {
  const stamp = await stampFolder(fileSystem, folder)
  const entries = (stamp && (await fileSystem.list(folder))) ?? []
  const claims = new Map<string, FoundTable[]>()
  for (const entry of visible(entries)) {
    const found = await asTable(fileSystem, folder, entry)
    if (found) claims.set(found.name.toLowerCase(), [...(claims.get(found.name.toLowerCase()) ?? []), found])
  }
  const tables: FoundTable[] = []
  const clashes: { name: string; error: ErrorRecord }[] = []
  for (const claimants of claims.values()) {
    const [first, second] = claimants
    if (first && second) clashes.push({ name: first.name, error: clash(first, second) })
    else if (first) tables.push(first)
  }
  return { tables, clashes, stamp }
}

/**
 * Lists one table, following links, without going round in circles. Order decides the order of columns, so it is DuckDB's:
 * folders in byte order of their paths (a folder is looked into after all that sort before it, however deep), the files of
 * each by name; the folders that give the first two files count as one, sorted by path.
 */
export async function listTable(fileSystem: FileSystem, table: FoundTable): Promise<Listing> {
  if (table.kind === 'file') {
    const stamp = await fileSystem.stat(table.path)
    if (stamp?.kind === 'file') return { files: [stamp], folders: [] }
    return { files: [], folders: [], error: unreadable(table.path, 'it is not a file') }
  }
  const files: FileStamp[] = []
  const folders: FolderStamp[] = []
  let error: ErrorRecord | undefined
  // The next one is the last.
  const pending: PendingFolder[] = [{ path: table.path, above: [] }]
  try {
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const found = await listFolder(fileSystem, next)
      if (!found) continue
      error ??= found.error
      folders.push(found.stamp)
      const first = files.length < 2
      files.push(...found.files)
      if (first && files.length >= 2) files.sort((a, b) => byBytes(a.path, b.path))
      if (found.inner.length > 0) pending.push(...found.inner)
      if (found.inner.length > 0) pending.sort((a, b) => byBytes(b.path, a.path))
    }
  } catch (cause) {
    error ??= unlistable(table.path, cause)
  }
  return { files, folders, ...(error === undefined ? {} : { error }) }
}

interface PendingFolder {
  readonly path: string
  /** Inodes of the folders that lead to it. */
  readonly above: readonly string[]
}

/** The files of one folder by name, and the folders in it; undefined when it is gone, too deep or above itself. */
async function listFolder(fileSystem: FileSystem, { path: folder, above }: PendingFolder) {
  const stamp = await stampFolder(fileSystem, folder)
  if (!stamp || above.includes(stamp.inode) || above.length >= depthMax) return undefined
  const files: FileStamp[] = []
  const inner: PendingFolder[] = []
  let error: ErrorRecord | undefined
  await inBatches(visible((await fileSystem.list(folder)) ?? []), statsAtOnce, async (entry) => {
    const path = join(folder, entry.name)
    const parquet = entry.name.endsWith('.parquet')
    const found = entry.kind === 'link' || (entry.kind === 'file' && parquet) ? await fileSystem.stat(path) : undefined
    if (entry.kind === 'folder' || found?.kind === 'folder') inner.push({ path, above: [...above, stamp.inode] })
    else if (parquet && found?.kind === 'file') files.push(found)
    else if (parquet && entry.kind === 'link') error ??= unreadable(path, 'its link leads nowhere')
  })
  files.sort((a, b) => byBytes(a.path, b.path))
  return { stamp, files, inner, error }
}

/** True when nothing was added to, removed from or renamed in the folder since it was stamped. */
export async function isUnchanged(fileSystem: FileSystem, stamp: FolderStamp): Promise<boolean> {
  if (stamp.recent) return false
  const now = await fileSystem.stat(stamp.path)
  return now?.kind === 'folder' && now.mtimeNs === stamp.mtimeNs && now.inode === stamp.inode
}

async function stampFolder(fileSystem: FileSystem, folder: string): Promise<FolderStamp | undefined> {
  const stamp = await fileSystem.stat(folder)
  if (stamp?.kind !== 'folder') return undefined
  // The disk's clock is the machine's own, whatever clock the rest of the server lives by.
  const recent = Number(BigInt(stamp.mtimeNs) / 1_000_000n) > Date.now() - recentMs
  return { path: folder, mtimeNs: stamp.mtimeNs, inode: stamp.inode, recent }
}

function visible(entries: readonly FolderEntry[]): readonly FolderEntry[] {
  return entries.filter((entry) => !/^[._]/.test(entry.name)).sort((a, b) => byBytes(a.name, b.name))
}

async function asTable(fileSystem: FileSystem, folder: string, entry: FolderEntry): Promise<FoundTable | undefined> {
  const path = join(folder, entry.name)
  const kind = entry.kind === 'link' ? ((await fileSystem.stat(path))?.kind ?? 'file') : entry.kind
  if (kind === 'folder') return { name: entry.name, kind, path }
  if (kind === 'file' && entry.name.endsWith('.parquet')) return { name: entry.name.slice(0, -'.parquet'.length), kind, path }
  return undefined
}

function clash(first: FoundTable, second: FoundTable): ErrorRecord {
  return {
    code: 'FILES_DISAGREE',
    message: `${first.kind} "${first.path}" and ${second.kind} "${second.path}" both stand for table "${first.name}"`,
    hint: 'rename one of them; names of tables do not differ in case alone',
  }
}

function unlistable(path: string, cause: unknown): ErrorRecord {
  const why = cause instanceof Error ? cause.message : String(cause)
  return toErrorRecord(fileUnreadable(`folder "${path}" is not readable: ${why}`, cause))
}

function unreadable(path: string, why: string): ErrorRecord {
  return toErrorRecord(fileUnreadable(`file "${path}" is not readable: ${why}`))
}
