import { join } from 'node:path'
import { type RelationChange, type RelationDefinition, relationName, type TableSummary } from '../model/catalogue.js'
import { type Clock, systemClock } from '../model/clock.js'
import { ForebayError } from '../model/errors.js'
import type { DatasetRead } from '../model/query.js'
import type { Column, Snapshot, SnapshotId } from '../model/segment.js'
import { ChecksumState } from './checksum-state.js'
import { DiscoveredTables } from './discovered-tables.js'
import { FactsCache, type ReadFooters } from './facts-cache.js'
import { type FileSystem, nodeFileSystem } from './file-system.js'
import type { KeyValue } from './key-value.js'
import { PutBehind } from './put-behind.js'
import type { DescribeFiles } from './schema.js'
import { SnapshotHistory } from './snapshot-history.js'
import { summarize } from './table-summary.js'
import type { CommitOptions, TableWrite, WriteMode } from './table-write.js'
import { WrittenTables } from './written-tables.js'

export interface CatalogOptions {
  /** The user's; need not exist. */
  readonly dataFolder: string
  /** Written tables live in `tables/` of it, checksums in `checksums/`. */
  readonly stateFolder: string
  readonly readFooters: ReadFooters
  readonly describeFiles: DescribeFiles
  readonly keyValue: KeyValue
  readonly clock: Clock
  readonly fileSystem?: FileSystem
  /** Time between two scans of the data folder; longer while a scan takes long. Default 5 s. */
  readonly scanEveryMs?: number
  /** How long files of a replaced or dropped table stay for queries that read them. Default 15 minutes. */
  readonly graceMs?: number
  /** Answers of writes that are remembered by idempotency key, over all tables. Default 1,000. */
  readonly idempotencyKeysMax?: number
  /** What went wrong in a scan; tables stay as they were. */
  readonly onError?: (error: unknown) => void
}

/** A scan takes at most one part in this many of the time. */
const scanShare = 20

/**
 * What every name in SQL stands for. Runs on the coordinator's event loop: it opens neither DuckDB nor SQLite and waits for
 * the disk only asynchronously. Written tables and views take precedence over the data folder.
 */
export class Catalog {
  readonly checksums: ChecksumState
  readonly #options: CatalogOptions
  readonly #discovered: DiscoveredTables
  readonly #written: WrittenTables
  readonly #behind: PutBehind
  readonly #history = new SnapshotHistory()
  readonly #listeners = new Set<(change: RelationChange) => void>()
  /** What listeners know, by lower-case name. */
  readonly #effective = new Map<string, RelationDefinition>()
  readonly #closed = new AbortController()
  #changes = 0
  /** The last scan that was asked for. */
  #scanning: Promise<void> = Promise.resolve()
  /** The same, while it has not begun. */
  #nextScan: Promise<void> | undefined
  #service: Promise<void> = Promise.resolve()

  constructor(options: CatalogOptions) {
    this.#options = options
    const fileSystem = options.fileSystem ?? nodeFileSystem
    const { clock, keyValue, describeFiles } = options
    this.#behind = new PutBehind(keyValue)
    const facts = new FactsCache(options.readFooters, keyValue, this.#behind)
    const onChange = (name: string): void => this.#publish(name)
    this.#discovered = new DiscoveredTables({
      folder: options.dataFolder,
      fileSystem,
      facts,
      describeFiles,
      keyValue,
      behind: this.#behind,
      clock,
      onChange,
    })
    this.#written = new WrittenTables({
      folder: join(options.stateFolder, 'tables'),
      fileSystem,
      facts,
      clock,
      discoveredPath: (name) => this.#discovered.path(name),
      onChange,
      isUsed: (folder) => this.#history.isUsed(folder),
      graceMs: options.graceMs ?? 15 * 60_000,
      idempotencyKeysMax: options.idempotencyKeysMax ?? 1_000,
    })
    this.checksums = new ChecksumState(join(options.stateFolder, 'checksums'), fileSystem)
  }

  /** Written tables first, then the data folder. Rejects with STATE_TOO_NEW, CHECKSUM_MISMATCH or CONFIGURATION_INVALID. */
  async open(): Promise<void> {
    await this.#written.open(this.#closed.signal)
    await this.checksums.open()
    await this.#scan().catch((cause: unknown) => {
      if (cause instanceof ForebayError) throw cause
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new ForebayError('CONFIGURATION_INVALID', `data folder "${this.#options.dataFolder}" is not readable: ${why}`, {
        cause,
      })
    })
  }

  /** Tables and views, by name. */
  tables(): readonly TableSummary[] {
    return [...this.#effective.keys()].sort().flatMap((name) => this.table(name) ?? [])
  }

  /** Why there may be fewer tables than somebody expects. */
  note(): string | undefined {
    return this.#discovered.folderIsThere() ? undefined : `data folder "${this.#options.dataFolder}" is not there`
  }

  table(name: string): TableSummary | undefined {
    const definition = this.#effective.get(name.toLowerCase())
    if (!definition) return undefined
    const written = this.#written.get(name) !== undefined
    const ignored = written ? this.place(name) : undefined
    return summarize(definition, written, ignored === undefined ? undefined : `"${ignored}" has the same name and is ignored`)
  }

  /** The file or folder of the data folder that has the name of a table. */
  place(name: string): string | undefined {
    return this.#discovered.path(name)
  }

  /** A snapshot that a plan named; known for some time after it was replaced, and as long as it is pinned. */
  snapshot(id: SnapshotId): Snapshot | undefined {
    return this.#history.get(id)
  }

  current(name: string): Snapshot | undefined {
    const definition = this.#effective.get(name.toLowerCase())
    return definition?.kind === 'dataset' ? definition.snapshot : undefined
  }

  views(): readonly { readonly name: string; readonly sql: string }[] {
    return [...this.#effective.values()].flatMap((definition) => (definition.kind === 'view' ? definition : []))
  }

  definitions(): readonly RelationDefinition[] {
    return [...this.#effective.values()]
  }

  /** Keeps snapshots and their files until the answer is called. */
  pin(ids: readonly SnapshotId[]): () => void {
    return this.#history.pin(ids)
  }

  /**
   * Whether the snapshots that a plan reads are still what is on disk, by the times of the table's folders and of the files
   * that were kept. False: the new definitions have been given to the listeners, plan again. With no reads (the plan failed
   * for want of a name or for a broken file) it says whether anything has changed. `since`, monotonic milliseconds of this process,
   * is when the statement came: a table that was listed after it is as new as the statement may ask for.
   */
  async confirm(reads: readonly DatasetRead[], since = Number.POSITIVE_INFINITY): Promise<boolean> {
    const before = this.#changes
    try {
      await this.#discovered.refresh(
        reads.filter((read) => !this.#written.get(read.dataset)),
        since,
        this.#closed.signal,
      )
    } catch (error) {
      if (this.#closed.signal.aborted) throw new ForebayError('UNAVAILABLE', 'the catalogue is closed')
      this.#options.onError?.(error)
    }
    if (reads.length === 0) return this.#changes === before
    return reads.every((read) => this.current(read.dataset)?.id === read.snapshot)
  }

  /** A file that these reads stand on was found changed: looks at them anew, also at written tables, which `confirm` trusts to be ours alone. */
  async lookAgain(reads: readonly DatasetRead[]): Promise<void> {
    await this.#written.lookAgain(
      reads.map((read) => read.dataset),
      this.#closed.signal,
    )
    await this.confirm(reads)
  }

  /** Lists the data folder anew, every table of it. */
  rescan(): Promise<void> {
    return this.#scan()
  }

  /** One round of the service: a scan of the data folder, and removal of files that no query needs any more. */
  async runOnce(): Promise<void> {
    await this.#scan()
    await this.#written.sweep(this.#closed.signal)
    // What a broken table had is not known now, and its records may be what tells why it broke.
    if (this.definitions().every((definition) => definition.kind !== 'broken')) await this.checksums.sweep(this.#snapshots())
  }

  /** Runs `runOnce` now and then, until `close`. */
  start(): void {
    this.#service = this.#serve()
  }

  /** Resolves with the answer of the write with this idempotency key, if it was committed. */
  rememberedResult(key: string): Promise<unknown> {
    return this.#written.result(key)
  }

  /** Remembers the answer of a write that had nothing to change. */
  remember(options: CommitOptions): Promise<void> {
    return this.#written.remember(options)
  }

  beginWrite(table: string, mode: WriteMode, columns: readonly Column[], seen?: SnapshotId): Promise<TableWrite> {
    return this.#written.beginWrite(table, mode, columns, seen)
  }

  /** Resolves with whether there was such a table. */
  dropTable(table: string, ifExists = false, options?: CommitOptions): Promise<boolean> {
    return this.#written.dropTable(table, ifExists, options)
  }

  createView(view: string, sql: string, replace: boolean, options?: CommitOptions): Promise<void> {
    return this.#written.createView(view, sql, replace, options)
  }

  dropView(view: string, ifExists = false, options?: CommitOptions): Promise<boolean> {
    return this.#written.dropView(view, ifExists, options)
  }

  /** Tells every definition that there is now, and then every change, before the call that caused it ends. */
  onChange(listener: (change: RelationChange) => void): () => void {
    this.#listeners.add(listener)
    for (const definition of this.#effective.values()) listener(definition)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#closed.abort(new ForebayError('UNAVAILABLE', 'the catalogue is closed'))
    await Promise.all([this.#service, this.#scanning.catch(() => undefined)])
    await this.#behind.settled()
  }

  #publish(name: string): void {
    const key = name.toLowerCase()
    const definition = this.#written.get(key) ?? this.#discovered.get(key)
    const before = this.#effective.get(key)
    if (definition === before) return
    if (definition === undefined) {
      this.#effective.delete(key)
      this.#history.forget(key)
    } else this.#effective.set(key, definition)
    if (definition?.kind === 'dataset') this.#history.add(definition.snapshot)
    this.#changes += 1
    const change: RelationChange = definition ?? { kind: 'forgotten', name: before ? relationName(before) : name }
    for (const listener of this.#listeners) listener(change)
  }

  /** One at a time. A scan that has not begun sees all that whoever asks for one wants to be seen. */
  #scan(): Promise<void> {
    this.#nextScan ??= this.#scanning
      .catch(() => undefined)
      .then(() => {
        this.#nextScan = undefined
        return this.#discovered.scan(this.#closed.signal)
      })
    this.#scanning = this.#nextScan
    return this.#scanning
  }

  #snapshots(): readonly Snapshot[] {
    return [...this.#effective.values()].flatMap((definition) => (definition.kind === 'dataset' ? definition.snapshot : []))
  }

  async #serve(): Promise<void> {
    const { signal } = this.#closed
    let waitMs = this.#options.scanEveryMs ?? 5_000
    while (!signal.aborted) {
      try {
        // The disk changes in real time, whatever time the server lives by.
        await systemClock.sleep(waitMs, signal)
        const began = systemClock.monotonic()
        await this.runOnce()
        waitMs = Math.max(this.#options.scanEveryMs ?? 5_000, (systemClock.monotonic() - began) * scanShare)
      } catch (error) {
        if (!signal.aborted) this.#options.onError?.(error)
      }
    }
  }
}

/** Opens the catalogue: everything is discovered when this resolves. Call `start` to keep looking. */
export async function openCatalog(options: CatalogOptions): Promise<Catalog> {
  const catalog = new Catalog(options)
  await catalog.open()
  return catalog
}
