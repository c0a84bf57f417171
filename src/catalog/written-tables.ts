/**
 * Tables that SQL statements wrote, and views, under one manifest. A write has three parts: its files are made in a folder of
 * its own that nothing names; then, one commit at a time, they are synced and the manifest is replaced by one rename; then the
 * folders that the new manifest no longer names are retired and removed after a grace, since running queries may read them.
 * Whatever fails, and wherever the process dies, the manifest names whole files only; what it does not name is removed at
 * the next start. The first commit wins: a write remembers the table's generation when it began and conflicts if it moved.
 */
import { randomBytes } from 'node:crypto'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { isRelationName, type RelationDefinition } from '../model/catalogue.js'
import type { Clock } from '../model/clock.js'
import {
  ForebayError,
  fileUnreadable,
  fromErrorRecord,
  nameNotAllowed,
  tableNotManaged,
  toErrorRecord,
  viewNotWritable,
} from '../model/errors.js'
import { type Column, type Snapshot, type SnapshotId, stableHash } from '../model/segment.js'
import type { FactsCache } from './facts-cache.js'
import { type FileStamp, type FileSystem, inBatches } from './file-system.js'
import {
  emptyManifest,
  type Manifest,
  type ManifestFile,
  type ManifestTable,
  manifestName,
  readManifest,
  replaceManifest,
} from './manifest.js'
import { makeSnapshot } from './snapshot.js'
import type { CommitOptions, TableWrite, WriteMode, WrittenFile } from './table-write.js'

export interface WrittenTablesOptions {
  /** `tables/` of the state folder. */
  readonly folder: string
  readonly fileSystem: FileSystem
  readonly facts: FactsCache
  readonly clock: Clock
  /** Where the data folder has a table of this name. */
  readonly discoveredPath: (name: string) => string | undefined
  readonly onChange: (name: string, definition: RelationDefinition | undefined) => void
  /** True while a pinned snapshot names a file below this folder. */
  readonly isUsed: (folder: string) => boolean
  readonly graceMs: number
  /** Answers of so many writes with an idempotency key are remembered. */
  readonly idempotencyKeysMax: number
}

const statsAtOnce = 16

export class WrittenTables {
  readonly #options: WrittenTablesOptions
  /** By lower-case name. */
  readonly #definitions = new Map<string, RelationDefinition>()
  #retired: readonly { readonly folder: string; readonly since: number }[] = []
  #manifest: Manifest = emptyManifest
  /** True after a commit of which even the disk did not say whether it happened. */
  #uncertain = false
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: WrittenTablesOptions) {
    this.#options = { ...options, folder: resolve(options.folder) }
  }

  /** Reads the manifest and removes what unfinished writes left. */
  async open(signal: AbortSignal): Promise<void> {
    const { fileSystem, folder } = this.#options
    await fileSystem.makeFolder(folder)
    await this.#adopt(await readManifest(fileSystem, folder), signal)
    // An orphan that cannot be removed now costs disk until the next start; it is no reason not to start.
    await this.#removeOrphans().catch(() => undefined)
  }

  get(name: string): RelationDefinition | undefined {
    return this.#definitions.get(name.toLowerCase())
  }

  names(): readonly string[] {
    return [...this.#definitions.keys()]
  }

  /** Resolves with what the write with this idempotency key answered. */
  async result(key: string): Promise<unknown> {
    if (this.#uncertain) await this.#exclusive(() => this.#settle())
    return this.#manifest.results.find((entry) => entry.key === key)?.result
  }

  /**
   * An insert's `columns` are the table's own; `seen` is the snapshot of the table that the rows come from, where they do. Rejects
   * with WRITE_CONFLICT where the table is not so any more, with TABLE_NOT_MANAGED, TABLE_EXISTS, NAME_NOT_FOUND, NOT_SUPPORTED (a view),
   * or with what is wrong with a broken table that an insert would add to.
   */
  async beginWrite(name: string, mode: WriteMode, columns: readonly Column[], seen?: SnapshotId): Promise<TableWrite> {
    const folder = join(this.#options.folder, folderName(name), `w-${randomBytes(8).toString('hex')}`)
    const current = await this.#exclusive(async () => {
      await this.#settle()
      const table = this.#checkWrite(name, mode)
      this.#checkPlanned(name, mode, columns, seen)
      await this.#onDisk(`the write to table "${name}"`, () => this.#options.fileSystem.makeFolder(folder))
      return table
    })
    let open = true
    const end = async <T>(work: () => Promise<T>): Promise<T> => {
      if (!open) throw new ForebayError('INTERNAL', `the write to table "${name}" has ended already`)
      open = false
      return work()
    }
    return {
      folder,
      columns,
      commit: (files, remember) =>
        end(() => this.#exclusive(() => this.#commitWrite(name, mode, columns, current, folder, files, remember))),
      abort: () => (open ? end(() => this.#exclusive(() => this.#remove(folder).catch(() => undefined))) : Promise.resolve()),
    }
  }

  /** Remembers the answer of a write that had nothing to change; without a key there is nothing to wait for. */
  async remember(options: CommitOptions): Promise<void> {
    if (options.idempotencyKey === undefined) return
    await this.#exclusive(async () => {
      await this.#settle()
      await this.#changeNothing(options)
    })
  }

  /** Rejects with TABLE_NOT_MANAGED or NAME_NOT_FOUND; false where there was none and that is fine. */
  async dropTable(name: string, ifExists: boolean, options: CommitOptions = {}): Promise<boolean> {
    return this.#exclusive(async () => {
      await this.#settle()
      const table = findNamed(this.#manifest.tables, name)
      if (!table) return this.#absent('table', name, ifExists, options)
      await this.#replace(
        { tables: this.#manifest.tables.filter((other) => other !== table) },
        `dropping table "${name}"`,
        options,
      )
      this.#define(table.name, undefined)
      return true
    })
  }

  /** Rejects with TABLE_EXISTS, or TABLE_NOT_MANAGED where the data folder has a table of this name. */
  async createView(name: string, sql: string, replace: boolean, options: CommitOptions = {}): Promise<void> {
    await this.#exclusive(async () => {
      await this.#settle()
      checkName(name)
      const view = findNamed(this.#manifest.views, name)
      if (findNamed(this.#manifest.tables, name) || (view && !replace)) throw exists(view ? 'view' : 'table', name)
      if (!view) this.#refuseDiscovered(name)
      const made = { name, sql, generation: this.#manifest.generation + 1 }
      const views = [...this.#manifest.views.filter((other) => other !== view), made]
      await this.#replace({ views }, `the write of view "${name}"`, options)
      this.#define(name, { kind: 'view', name, sql })
    })
  }

  /** Rejects with NAME_NOT_FOUND; false where there was none and that is fine. */
  async dropView(name: string, ifExists: boolean, options: CommitOptions = {}): Promise<boolean> {
    return this.#exclusive(async () => {
      await this.#settle()
      const view = findNamed(this.#manifest.views, name)
      if (!view) return this.#absent('view', name, ifExists, options)
      await this.#replace({ views: this.#manifest.views.filter((other) => other !== view) }, `dropping view "${name}"`, options)
      this.#define(view.name, undefined)
      return true
    })
  }

  /** Removes retired folders whose grace is over and that no pinned snapshot needs; looks anew at tables that are broken. */
  async sweep(signal: AbortSignal): Promise<void> {
    await this.#exclusive(async () => {
      await this.#settle()
      const before = this.#options.clock.now() - this.#options.graceMs
      const due = this.#retired.filter(({ folder, since }) => since <= before && !this.#options.isUsed(folder))
      for (const { folder } of due) await this.#remove(folder)
      this.#retired = this.#retired.filter((entry) => !due.includes(entry))
      await this.#lookAt((table) => this.get(table.name)?.kind === 'broken', signal)
    })
  }

  /** Looks anew at the files of these tables. */
  async lookAgain(names: readonly string[], signal: AbortSignal): Promise<void> {
    const wanted = new Set(names.filter((name) => this.get(name) !== undefined).map((name) => name.toLowerCase()))
    if (wanted.size === 0) return
    await this.#exclusive(async () => {
      await this.#settle()
      await this.#lookAt((table) => wanted.has(table.name.toLowerCase()), signal)
    })
  }

  async #lookAt(isWanted: (table: ManifestTable) => boolean, signal: AbortSignal): Promise<void> {
    for (const table of this.#manifest.tables.filter(isWanted)) this.#define(table.name, await this.#load(table, signal))
  }

  #checkWrite(name: string, mode: WriteMode): ManifestTable | undefined {
    checkName(name)
    const current = findNamed(this.#manifest.tables, name)
    if (!current) {
      if (findNamed(this.#manifest.views, name)) throw mode === 'insert' ? viewNotWritable(name) : exists('view', name)
      this.#refuseDiscovered(name)
      if (mode === 'insert') throw notFound('table', name)
    } else if (mode === 'create') throw exists('table', name)
    return current
  }

  /** A write is planned before it begins: what was committed in between may have changed what its rows are made from, or for. */
  #checkPlanned(name: string, mode: WriteMode, columns: readonly Column[], seen: SnapshotId | undefined): void {
    const now = this.get(name)
    if (mode === 'insert' && now?.kind === 'broken') throw fromErrorRecord(now.error)
    const snapshot = now?.kind === 'dataset' ? now.snapshot : undefined
    if (seen !== undefined && snapshot?.id !== seen) throw conflict(name)
    if (mode === 'insert' && !sameColumns(snapshot?.columns ?? [], columns)) throw conflict(name)
  }

  #refuseDiscovered(name: string): void {
    const path = this.#options.discoveredPath(name)
    if (path !== undefined) throw tableNotManaged(name, `"${path}"`)
  }

  async #absent(kind: 'table' | 'view', name: string, ifExists: boolean, options: CommitOptions): Promise<false> {
    if (kind === 'table' && !findNamed(this.#manifest.views, name)) this.#refuseDiscovered(name)
    if (!ifExists) throw notFound(kind, name)
    await this.#changeNothing(options)
    return false
  }

  async #changeNothing(options: CommitOptions): Promise<void> {
    if (options.idempotencyKey !== undefined) await this.#replace({}, 'remembering the answer of a write', options)
  }

  async #commitWrite(
    name: string,
    mode: WriteMode,
    columns: readonly Column[],
    began: ManifestTable | undefined,
    folder: string,
    files: readonly WrittenFile[],
    remember: (snapshot: Snapshot) => CommitOptions = () => ({}),
  ): Promise<Snapshot> {
    const what = `the write to table "${name}"`
    try {
      await this.#settle()
      const current = findNamed(this.#manifest.tables, name)
      if (current?.generation !== began?.generation || (!current && findNamed(this.#manifest.views, name))) throw conflict(name)
      if (!current) this.#refuseDiscovered(name)
      const added = await this.#onDisk(what, () => this.#makeDurable(folder, files))
      const table: ManifestTable = {
        name: mode === 'insert' && current ? current.name : name,
        generation: this.#manifest.generation + 1,
        columns,
        files: mode === 'insert' && current ? [...current.files, ...added] : added,
        createdAt: this.#options.clock.now(),
      }
      const definition = await this.#load(table, new AbortController().signal)
      if (definition.kind !== 'dataset') throw fileUnreadable(definition.kind === 'broken' ? definition.error.message : name)
      const tables = [...this.#manifest.tables.filter((other) => other !== current), table]
      await this.#replace({ tables }, what, remember(definition.snapshot))
      this.#define(table.name, definition)
      return definition.snapshot
    } catch (error) {
      // After an uncertain commit the manifest may name these files: then the next start decides.
      if (!this.#uncertain && !this.#names(folder)) await this.#remove(folder).catch(() => undefined)
      throw error
    }
  }

  /** A write's bytes, and the names that lead to them; answers what the manifest says of the files. */
  async #makeDurable(folder: string, files: readonly WrittenFile[]): Promise<readonly ManifestFile[]> {
    const { fileSystem } = this.#options
    const added: ManifestFile[] = []
    for (const { path, rows, bytes } of files) {
      if (dirname(resolve(path)) !== folder)
        throw new ForebayError('INTERNAL', `file "${path}" is not in the folder of its write`)
      await fileSystem.sync(path)
      const stamp = await fileSystem.stat(path)
      const seen = { mtimeNs: stamp?.mtimeNs ?? '', crc32: await fileSystem.checksum(path) }
      added.push({ path: this.#below(path), rows, bytes: stamp?.size ?? bytes, seen })
    }
    for (const path of [folder, dirname(folder), this.#options.folder]) await fileSystem.sync(path)
    return added
  }

  /** A file that was only copied is fine; one of which a byte has changed, with whatever time, is not. */
  async #checkSeen(file: ManifestFile, stamp: FileStamp, table: string): Promise<void> {
    if (file.seen === undefined || file.seen.mtimeNs === stamp.mtimeNs) return
    if (file.bytes === stamp.size && (await this.#options.fileSystem.checksum(stamp.path)) === file.seen.crc32) return
    throw new ForebayError(
      'CHECKSUM_MISMATCH',
      `file "${stamp.path}" of table "${table}" is not as it was written: its checksum differs`,
      { hint: 'restore the file from a backup of the state folder, or write the table again' },
    )
  }

  /** Replaces the manifest and, when that happened, adopts it in memory. */
  async #replace(change: Partial<Manifest>, what: string, { idempotencyKey, result }: CommitOptions): Promise<void> {
    const { fileSystem, folder, clock, idempotencyKeysMax } = this.#options
    const before = this.#manifest
    const remembered = idempotencyKey === undefined ? before.results : [...before.results, { key: idempotencyKey, result }]
    const next: Manifest = {
      ...before,
      ...change,
      generation: before.generation + 1,
      results: remembered.slice(-idempotencyKeysMax),
    }
    let failure: ForebayError | undefined
    try {
      await replaceManifest(fileSystem, folder, next)
    } catch (cause) {
      failure = await this.#outcome(next, what, cause)
    }
    this.#manifest = next
    const kept = new Set(foldersOf(next))
    const since = clock.now()
    const gone = foldersOf(before).filter((path) => !kept.has(path))
    this.#retired = [...this.#retired, ...gone.map((path) => ({ folder: join(folder, path), since }))]
    if (failure) throw failure
  }

  /** After a failed replacement: throws when it did not happen, else tries again to make it durable and says so if it cannot. */
  async #outcome(next: Manifest, what: string, cause: unknown): Promise<ForebayError | undefined> {
    const { fileSystem, folder } = this.#options
    const found = await readManifest(fileSystem, folder).catch(() => undefined)
    if (found === undefined) {
      this.#uncertain = true
      throw diskError(`${what} may or may not have taken effect`, cause)
    }
    if (found.generation !== next.generation) throw diskError(`${what} failed`, cause)
    try {
      await fileSystem.sync(folder)
      return undefined
    } catch {
      await this.#adopt(next, new AbortController().signal)
      return diskError(`${what} took effect but may not survive a power cut`, cause)
    }
  }

  /** Asks the disk again after an uncertain commit. */
  async #settle(): Promise<void> {
    if (!this.#uncertain) return
    const { fileSystem, folder } = this.#options
    const found = await this.#onDisk('the list of written tables', () => readManifest(fileSystem, folder))
    await this.#adopt(found, new AbortController().signal)
    this.#uncertain = false
  }

  async #adopt(manifest: Manifest, signal: AbortSignal): Promise<void> {
    this.#manifest = manifest
    for (const table of manifest.tables) this.#define(table.name, await this.#load(table, signal))
    for (const view of manifest.views) this.#define(view.name, { kind: 'view', name: view.name, sql: view.sql })
    const named = new Set([...manifest.tables, ...manifest.views].map(({ name }) => name.toLowerCase()))
    for (const name of this.names()) if (!named.has(name)) this.#define(name, undefined)
  }

  async #load(table: ManifestTable, signal: AbortSignal): Promise<RelationDefinition> {
    const { fileSystem, facts, folder } = this.#options
    try {
      const stamps = await inBatches(table.files, statsAtOnce, async (file) => {
        const path = join(folder, file.path)
        const stamp = await fileSystem.stat(path)
        if (stamp?.kind !== 'file') throw fileUnreadable(`file "${path}" of table "${table.name}" is gone`)
        await this.#checkSeen(file, stamp, table.name)
        return stamp
      })
      const files = (await facts.facts(factsKey(table.name), stamps, signal)).map((result) => {
        if ('error' in result) throw fromErrorRecord(result.error)
        return { facts: result, relativePath: this.#below(result.version.path) }
      })
      const declared = JSON.stringify(table.columns)
      const mixed = files.some((file) => JSON.stringify(file.facts.columns) !== declared)
      const schema = { columns: table.columns, mixed }
      return {
        kind: 'dataset',
        snapshot: makeSnapshot({
          dataset: table.name,
          files,
          schema,
          partitioned: false,
          createdAt: table.createdAt,
          written: true,
        }),
        written: true,
      }
    } catch (error) {
      signal.throwIfAborted()
      return { kind: 'broken', name: table.name, error: toErrorRecord(error) }
    }
  }

  #define(name: string, definition: RelationDefinition | undefined): void {
    if (definition === undefined) {
      this.#definitions.delete(name.toLowerCase())
      this.#options.facts.forget(factsKey(name))
    } else this.#definitions.set(name.toLowerCase(), definition)
    this.#options.onChange(name, definition)
  }

  #below(path: string): string {
    return relative(this.#options.folder, resolve(path)).split(sep).join('/')
  }

  #names(folder: string): boolean {
    return foldersOf(this.#manifest).includes(this.#below(folder))
  }

  /** Removes the folder of a write, and its table's when nothing else is in it. Only within `#exclusive`: a write may be about to begin there. */
  async #remove(folder: string): Promise<void> {
    const { fileSystem } = this.#options
    await fileSystem.remove(folder)
    const tableFolder = dirname(folder)
    if ((await fileSystem.list(tableFolder))?.length === 0) await fileSystem.remove(tableFolder)
  }

  /** Everything below the folder that the manifest does not lead to. */
  async #removeOrphans(): Promise<void> {
    const { fileSystem, folder } = this.#options
    const kept = new Set(foldersOf(this.#manifest))
    for (const entry of (await fileSystem.list(folder)) ?? []) {
      if (entry.name === manifestName) continue
      const writes = entry.kind === 'folder' ? ((await fileSystem.list(join(folder, entry.name))) ?? []) : []
      const named = writes.filter((write) => kept.has(`${entry.name}/${write.name}`))
      const orphans = writes.filter((write) => !named.includes(write)).map((write) => join(folder, entry.name, write.name))
      const removed = named.length === 0 ? [join(folder, entry.name)] : orphans
      for (const path of removed) await fileSystem.remove(path)
    }
  }

  async #onDisk<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      throw cause instanceof ForebayError ? cause : diskError(`${what} failed`, cause)
    }
  }

  /** One change at a time, in the order of the calls. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined)
    return result
  }
}

/** Folders of writes that a manifest leads to, below the folder of written tables. */
function foldersOf(manifest: Manifest): readonly string[] {
  return [
    ...new Set(manifest.tables.flatMap((table) => table.files.map((file) => file.path.slice(0, file.path.lastIndexOf('/'))))),
  ]
}

function findNamed<T extends { readonly name: string }>(items: readonly T[], name: string): T | undefined {
  return items.find((item) => item.name.toLowerCase() === name.toLowerCase())
}

function factsKey(name: string): string {
  return `written/${name.toLowerCase()}`
}

function sameColumns(a: readonly Column[], b: readonly Column[]): boolean {
  return a.length === b.length && a.every(({ name, type }, index) => name === b[index]?.name && type === b[index]?.type)
}

/** The table's own name where every file system takes it, else a readable part of it and a hash. */
function folderName(name: string): string {
  if (/^[a-z0-9][a-z0-9_-]{0,63}$/.test(name)) return name
  return `${name.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 40)}-${stableHash([name.toLowerCase()], 12)}`.replace(/^[-_]+/, 't-')
}

function checkName(name: string): void {
  if (!isRelationName(name)) throw nameNotAllowed(name)
}

function exists(kind: 'table' | 'view', name: string): ForebayError {
  return new ForebayError('TABLE_EXISTS', `${kind} "${name}" exists already`, {
    hint: `use create or replace ${kind}, or drop the ${kind} first`,
  })
}

function notFound(kind: 'table' | 'view', name: string): ForebayError {
  return new ForebayError('NAME_NOT_FOUND', `there is no ${kind} "${name}"`)
}

function conflict(name: string): ForebayError {
  return new ForebayError('WRITE_CONFLICT', `another write to table "${name}" was committed first`, {
    hint: 'run the statement again',
  })
}

function diskError(what: string, cause: unknown): ForebayError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  const why = cause instanceof Error ? cause.message : String(cause)
  return new ForebayError(full ? 'DISK_EXCEEDED' : 'UNAVAILABLE', `${what}: ${why}`, { cause })
}
