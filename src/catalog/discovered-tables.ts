import { relative, sep } from 'node:path'
import type { RelationDefinition } from '../model/catalogue.js'
import { type Clock, systemClock } from '../model/clock.js'
import { type ErrorRecord, toErrorRecord } from '../model/errors.js'
import type { DatasetRead } from '../model/query.js'
import { type Snapshot, stableHash } from '../model/segment.js'
import { type DataFolder, type FoundTable, isUnchanged, type Listing, listDataFolder, listTable } from './discover.js'
import type { FactsCache } from './facts-cache.js'
import type { FileFacts } from './file-facts.js'
import { type FileSystem, inBatches } from './file-system.js'
import { partitionsOf } from './hive-partitions.js'
import type { KeyValue } from './key-value.js'
import type { PutBehind } from './put-behind.js'
import { type DescribeFiles, mergeSchemas } from './schema.js'
import { makeSnapshot } from './snapshot.js'

export interface DiscoveredTablesOptions {
  readonly folder: string
  readonly fileSystem: FileSystem
  readonly facts: FactsCache
  readonly describeFiles: DescribeFiles
  readonly clock: Clock
  readonly keyValue: Pick<KeyValue, 'get'>
  readonly behind: PutBehind
  /** A definition is new, or has gone. */
  readonly onChange: (name: string, definition: RelationDefinition | undefined) => void
}

interface Table {
  readonly found: FoundTable | undefined
  readonly listing: Listing
  /** Monotonic milliseconds of this process; nothing that was on disk before is missing from the listing. */
  readonly listedAt: number
  /** Of the listing: what was found when it was made. */
  readonly fingerprint: string
  readonly definition: RelationDefinition
}

/** Stats are queued all at once up to this: 220 of them take 1.9 ms so, and 2.8 ms sixteen at a time. */
const statsAtOnce = 256

/** The tables of the data folder. They are the user's: read, never written. */
export class DiscoveredTables {
  readonly #options: DiscoveredTablesOptions
  /** By lower-case name. */
  readonly #tables = new Map<string, Table>()
  readonly #scans = new Map<string, Promise<void>>()
  #root: DataFolder = { tables: [], clashes: [], stamp: undefined }
  /** The tables of the root by lower-case name. */
  #found: ReadonlyMap<string, FoundTable> = new Map()

  constructor(options: DiscoveredTablesOptions) {
    this.#options = options
  }

  get(name: string): RelationDefinition | undefined {
    return this.#tables.get(name.toLowerCase())?.definition
  }

  /** Where a table lies. */
  path(name: string): string | undefined {
    return this.#tables.get(name.toLowerCase())?.found?.path
  }

  names(): readonly string[] {
    return [...this.#tables.keys()]
  }

  /** Lists everything anew. */
  async scan(signal: AbortSignal): Promise<void> {
    await this.#scanRoot()
    for (const key of this.#found.keys()) {
      signal.throwIfAborted()
      await this.#scanTable(key, signal)
    }
  }

  /** Whether the data folder was there when it was last looked at. */
  folderIsThere(): boolean {
    return this.#root.stamp !== undefined
  }

  /**
   * Looks cheaply whether what these reads stand on is still so, and lists anew what is not. What was listed at `since` or later
   * is taken as it was then.
   */
  async refresh(reads: readonly DatasetRead[], since: number, signal: AbortSignal): Promise<void> {
    const { stamp } = this.#root
    // The disk is asked for everything at once: each answer that is waited for costs as much as many that are not.
    const asked = new Map(this.#toCheck(reads).map((table) => [table, this.#standing(table, reads, since)]))
    const rootChanged = !stamp || !(await isUnchanged(this.#options.fileSystem, stamp))
    if (rootChanged) await this.#scanRoot()
    // A folder that held no file may hold one by now, which leaves the time of the data folder as it was.
    if (rootChanged || reads.length === 0) {
      for (const key of this.#found.keys()) if (this.#tables.get(key)?.found === undefined) await this.#scanTable(key, signal)
    }
    for (const table of this.#toCheck(reads)) {
      if (await (asked.get(table) ?? this.#standing(table, reads, since))) continue
      if (table.found) await this.#scanTable(table.found.name.toLowerCase(), signal, since)
    }
  }

  /** Whether nothing of a table need be listed anew. A rejection is for whoever waits, if anybody does. */
  #standing(table: Table, reads: readonly DatasetRead[], since: number): Promise<boolean> {
    if (!table.found || table.listedAt >= since) return Promise.resolve(true)
    const read = reads.find((candidate) => sameName(candidate.dataset, table))
    const standing = this.#stands(table, read)
    standing.catch(() => {})
    return standing
  }

  /** The tables that are read; broken ones too when a plan found none to read. */
  #toCheck(reads: readonly DatasetRead[]): readonly Table[] {
    if (reads.length === 0) return [...this.#tables.values()].filter((table) => table.definition.kind === 'broken')
    return reads.flatMap((read) => this.#tables.get(read.dataset.toLowerCase()) ?? [])
  }

  async #stands(table: Table, read: DatasetRead | undefined): Promise<boolean> {
    const { fileSystem } = this.#options
    const kept =
      table.definition.kind === 'dataset' && read ? keptFiles(table.definition.snapshot.segments, read.segments) : undefined
    const files = kept ?? table.listing.files
    const stood = await Promise.all([
      inBatches(table.listing.folders, statsAtOnce, (stamp) => isUnchanged(fileSystem, stamp)),
      inBatches([...files], statsAtOnce, async (file) => {
        const now = await fileSystem.stat(file.path).catch(() => undefined)
        return now?.size === file.size && now.mtimeNs === file.mtimeNs && now.inode === file.inode
      }),
    ])
    return !stood.flat().includes(false)
  }

  async #scanRoot(): Promise<void> {
    this.#root = await listDataFolder(this.#options.fileSystem, this.#options.folder)
    this.#found = new Map(this.#root.tables.map((table) => [table.name.toLowerCase(), table]))
    const present = new Set(this.#found.keys())
    for (const { name, error } of this.#root.clashes) {
      present.add(name.toLowerCase())
      this.#set(name, {
        found: undefined,
        listing: { files: [], folders: [] },
        listedAt: systemClock.monotonic(),
        fingerprint: error.message,
        definition: broken(name, error),
      })
    }
    for (const key of this.#tables.keys()) if (!present.has(key)) this.#remove(key)
  }

  /** One scan of a table at a time, where it lies by then, so that an older listing never replaces a newer one. */
  #scanTable(key: string, signal: AbortSignal, since = Number.POSITIVE_INFINITY): Promise<void> {
    const before = (this.#scans.get(key) ?? Promise.resolve()).catch(() => undefined)
    const scan = before.then(async () => {
      const found = this.#found.get(key)
      const listedAt = this.#tables.get(key)?.listedAt
      if (found && (listedAt === undefined || listedAt < since)) await this.#scanAlone(found, signal)
    })
    this.#scans.set(key, scan)
    return scan.finally(() => {
      if (this.#scans.get(key) === scan) this.#scans.delete(key)
    })
  }

  async #scanAlone(found: FoundTable, signal: AbortSignal): Promise<void> {
    // A file that is replaced while its footer is read is looked at again; after some tries it counts as unreadable.
    for (let tries = 0; ; tries++) {
      const listedAt = systemClock.monotonic()
      const listing = await listTable(this.#options.fileSystem, found)
      if (listing.files.length === 0 && !listing.error) return this.#remove(found.name.toLowerCase())
      const definition = await this.#define(found, listing, signal)
      if (definition.kind === 'broken' && definition.error.code === 'SEGMENT_CHANGED' && tries < 3) continue
      return this.#set(found.name, { found, listing, listedAt, fingerprint: fingerprintOf(listing), definition })
    }
  }

  async #define(found: FoundTable, listing: Listing, signal: AbortSignal): Promise<RelationDefinition> {
    const { facts, describeFiles, clock } = this.#options
    const before = this.#tables.get(found.name.toLowerCase())
    // What was broken is tried again even if nothing seems to have changed: permissions leave no trace in a file's times.
    if (
      before?.definition.kind === 'dataset' &&
      before.found?.path === found.path &&
      before.fingerprint === fingerprintOf(listing)
    ) {
      return before.definition
    }
    try {
      if (listing.error) return broken(found.name, listing.error)
      const results = await facts.facts(found.path, listing.files, signal)
      const failed = results.find((result) => 'error' in result)
      if (failed && 'error' in failed) return broken(found.name, failed.error)
      const known = results as readonly FileFacts[]
      const files = known.map((file) => ({ facts: file, relativePath: belowTable(found, file.version.path) }))
      const partitioned = found.kind === 'folder'
      const keys = partitioned ? files.flatMap(({ relativePath }) => [...partitionsOf(relativePath).keys()]) : []
      const schema = await mergeSchemas(found.name, known, keys, describeFiles, signal)
      const parts = { dataset: found.name, files, schema, partitioned, createdAt: clock.now() }
      const snapshot = makeSnapshot(parts)
      return {
        kind: 'dataset',
        snapshot: before?.definition.kind === 'dataset' ? this.#noted(snapshot) : await this.#dated(snapshot),
      }
    } catch (error) {
      signal.throwIfAborted()
      return broken(found.name, toErrorRecord(error))
    }
  }

  /** A snapshot that was known before a restart keeps its date. */
  async #dated(snapshot: Snapshot): Promise<Snapshot> {
    const kept = await this.#options.keyValue.get(dateKey(snapshot)).catch(() => undefined)
    const known = kept as { id?: string; createdAt?: number } | null | undefined
    if (known?.id === snapshot.id && typeof known.createdAt === 'number') return { ...snapshot, createdAt: known.createdAt }
    return this.#noted(snapshot)
  }

  #noted(snapshot: Snapshot): Snapshot {
    this.#options.behind.put([[dateKey(snapshot), { id: snapshot.id, createdAt: snapshot.createdAt }]])
    return snapshot
  }

  #set(name: string, table: Table): void {
    const key = name.toLowerCase()
    const before = this.#tables.get(key)
    const same = before !== undefined && sameDefinition(before.definition, table.definition)
    if (before?.found && before.found.path !== table.found?.path) this.#options.facts.forget(before.found.path)
    this.#tables.set(key, same ? { ...table, definition: before.definition } : table)
    if (!same) this.#options.onChange(name, table.definition)
  }

  #remove(key: string): void {
    const table = this.#tables.get(key)
    if (!table) return
    this.#tables.delete(key)
    this.#options.onChange(table.found?.name ?? key, undefined)
    if (table.found) this.#options.facts.forget(table.found.path)
  }
}

function dateKey({ dataset }: Snapshot): string {
  return `catalog/snapshot/${dataset.toLowerCase()}`
}

function keptFiles(segments: readonly { readonly file: FileFacts['version'] }[], ordinals: readonly number[]) {
  return new Map(ordinals.flatMap((ordinal) => segments[ordinal] ?? []).map(({ file }) => [file.path, file])).values()
}

function sameName(name: string, table: Table): boolean {
  return table.found?.name.toLowerCase() === name.toLowerCase()
}

function sameDefinition(a: RelationDefinition, b: RelationDefinition): boolean {
  if (a.kind === 'dataset' && b.kind === 'dataset') return a.snapshot.id === b.snapshot.id
  return JSON.stringify(a) === JSON.stringify(b)
}

function broken(name: string, error: ErrorRecord): RelationDefinition {
  return { kind: 'broken', name, error }
}

function belowTable(found: FoundTable, path: string): string {
  return found.kind === 'file' ? '' : relative(found.path, path).split(sep).join('/')
}

function fingerprintOf(listing: Listing): string {
  return stableHash([
    listing.error?.message ?? '',
    ...listing.files.flatMap((file) => [file.path, String(file.size), file.mtimeNs, file.inode]),
  ])
}
