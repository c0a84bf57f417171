import type { FooterResult } from '../model/catalogue.js'
import { type ErrorRecord, fileUnreadable, toErrorRecord } from '../model/errors.js'
import { type FileVersion, stableHash } from '../model/segment.js'
import { type FileFacts, factsFormat, factsOf } from './file-facts.js'
import { type FileStamp, inBatches } from './file-system.js'
import type { KeyValue } from './key-value.js'
import type { PutBehind } from './put-behind.js'

/** Reads Parquet footers, in a process of its own. */
export type ReadFooters = (paths: readonly string[], signal: AbortSignal) => Promise<readonly FooterResult[]>

/** A table's files share this many durable entries, so that one new file rewrites a small part and vanished files drop out. */
const buckets = 32
const footersPerCall = 64

interface Bucket {
  readonly format: number
  readonly files: readonly FileFacts[]
}

/** The facts of a file, or why it cannot be read. */
export type FactsResult = FileFacts | { readonly path: string; readonly error: ErrorRecord }

/** Facts of files, read from a footer only where path, size, mtime or inode are new to the durable map as well. */
export class FactsCache {
  readonly #readFooters: ReadFooters
  readonly #keyValue: Pick<KeyValue, 'get'>
  readonly #behind: PutBehind
  /** Table key → path → facts. */
  readonly #known = new Map<string, Map<string, FileFacts>>()

  constructor(readFooters: ReadFooters, keyValue: Pick<KeyValue, 'get'>, behind: PutBehind) {
    this.#readFooters = readFooters
    this.#keyValue = keyValue
    this.#behind = behind
  }

  /** The facts of a table's files, in their order. What is not among `files` is forgotten. */
  async facts(table: string, files: readonly FileStamp[], signal: AbortSignal): Promise<readonly FactsResult[]> {
    const known = this.#known.get(table) ?? (await this.#load(table, files))
    const fresh = new Map<string, FactsResult>()
    const unknown = files.filter((file) => !isVersion(known.get(file.path)?.version, file)).map((file) => file.path)
    for (let from = 0; from < unknown.length; from += footersPerCall) {
      const paths = unknown.slice(from, from + footersPerCall)
      for (const result of await this.#readFooters(paths, signal)) {
        if ('error' in result) fresh.set(result.path, result)
        else fresh.set(result.path, factsOf(result))
      }
    }
    const results = files.map((file) => fresh.get(file.path) ?? known.get(file.path) ?? unanswered(file.path))
    this.#keep(table, known, results)
    return results
  }

  /** The table is gone. */
  forget(table: string): void {
    const known = this.#known.get(table)
    this.#known.delete(table)
    const used = new Set([...(known?.keys() ?? [])].map(bucketOf))
    this.#behind.put([...used].map((bucket) => [entryKey(table, bucket), null]))
  }

  async #load(table: string, files: readonly FileStamp[]): Promise<Map<string, FileFacts>> {
    const used = [...new Set(files.map((file) => bucketOf(file.path)))]
    const entries = await inBatches(used, 8, (bucket) => this.#keyValue.get(entryKey(table, bucket)).catch(() => undefined))
    const loaded = new Map<string, FileFacts>()
    for (const entry of entries as readonly (Bucket | null | undefined)[]) {
      if (entry?.format === factsFormat) for (const facts of entry.files) loaded.set(facts.version.path, facts)
    }
    return loaded
  }

  /** Rewrites the entries that differ. */
  #keep(table: string, before: ReadonlyMap<string, FileFacts>, results: readonly FactsResult[]): void {
    const now = new Map<string, FileFacts>()
    for (const result of results) if (!('error' in result)) now.set(result.version.path, result)
    this.#known.set(table, now)
    const changed = new Set<number>()
    for (const [path, facts] of now) if (before.get(path) !== facts) changed.add(bucketOf(path))
    for (const path of before.keys()) if (!now.has(path)) changed.add(bucketOf(path))
    const contents = new Map<number, FileFacts[]>([...changed].map((bucket) => [bucket, []]))
    for (const [path, facts] of now) contents.get(bucketOf(path))?.push(facts)
    this.#behind.put(
      [...contents].map(([bucket, files]) => [entryKey(table, bucket), { format: factsFormat, files } satisfies Bucket]),
    )
  }
}

/** True when the file is still the version that was seen. */
function isVersion(version: FileVersion | undefined, stamp: FileStamp | undefined): boolean {
  if (version === undefined || stamp?.kind !== 'file') return false
  return version.size === stamp.size && version.mtimeNs === stamp.mtimeNs && version.inode === stamp.inode
}

function entryKey(table: string, bucket: number): string {
  return `catalog/facts/${table}/${bucket}`
}

function bucketOf(path: string): number {
  return Number.parseInt(stableHash([path], 8), 16) % buckets
}

function unanswered(path: string): FactsResult {
  return { path, error: toErrorRecord(fileUnreadable(`file "${path}" is not readable: its footer was not answered`)) }
}
