import { join } from 'node:path'
import { type BaseSegment, type FileVersion, type Snapshot, stableHash } from '../model/segment.js'
import type { FileSystem } from './file-system.js'

/**
 * Which column chunks have recorded checksums, and which of them were verified since the start. The checksums themselves are
 * computed, recorded and compared by nodes, one JSON file per version of a file; here is only what to ask of them. After a
 * restart it is known which versions have records, not of which columns: nodes skip columns that have none.
 */
export class ChecksumState {
  readonly #folder: string
  readonly #fileSystem: FileSystem
  /** Names of records on disk at the start, and of versions recorded since. */
  readonly #recordedVersions = new Set<string>()
  /** `version/column`. */
  readonly #recorded = new Set<string>()
  readonly #verified = new Set<string>()
  /** Each query asks for those of all files that it reads, several times. */
  readonly #versionKeys = new WeakMap<FileVersion, string>()

  constructor(folder: string, fileSystem: FileSystem) {
    this.#folder = folder
    this.#fileSystem = fileSystem
  }

  async open(): Promise<void> {
    await this.#fileSystem.makeFolder(this.#folder)
    for (const entry of (await this.#fileSystem.list(this.#folder)) ?? []) {
      if (entry.name.endsWith('.json')) this.#recordedVersions.add(entry.name.slice(0, -'.json'.length))
    }
  }

  /** The columns to verify before they are read: those that may have records and were not verified since the start. */
  verificationNeeded(segment: BaseSegment, columns: readonly string[]): readonly string[] {
    const version = this.#versionKey(segment.file)
    return this.#recordedVersions.has(version) ? columns.filter((column) => !this.#verified.has(`${version}/${column}`)) : []
  }

  /** The columns of which a node should record checksums, once they were read. */
  recordingNeeded(segment: BaseSegment, columns: readonly string[]): readonly string[] {
    const version = this.#versionKey(segment.file)
    return columns.filter((column) => Object.hasOwn(segment.columnBytes, column) && !this.#recorded.has(`${version}/${column}`))
  }

  /** A task that verified these columns succeeded. */
  markVerified(segment: BaseSegment, columns: readonly string[]): void {
    for (const column of columns) this.#verified.add(`${this.#versionKey(segment.file)}/${column}`)
  }

  /** A node recorded these columns: what was just computed need not be verified before the next start. */
  markRecorded(segment: BaseSegment, columns: readonly string[]): void {
    const version = this.#versionKey(segment.file)
    this.#recordedVersions.add(version)
    for (const column of columns) this.#recorded.add(`${version}/${column}`)
    this.markVerified(segment, columns)
  }

  /** Removes records of versions that no table has any more. */
  async sweep(snapshots: readonly Snapshot[]): Promise<void> {
    const current = new Set(snapshots.flatMap((snapshot) => snapshot.segments.map((segment) => this.#versionKey(segment.file))))
    for (const version of this.#recordedVersions) {
      if (current.has(version)) continue
      this.#recordedVersions.delete(version)
      for (const marks of [this.#recorded, this.#verified])
        for (const mark of marks) if (mark.startsWith(version)) marks.delete(mark)
      await this.#fileSystem.remove(join(this.#folder, `${version}.json`))
    }
  }

  /** The name of a file version's record, without `.json`. */
  #versionKey(file: FileVersion): string {
    let key = this.#versionKeys.get(file)
    if (key === undefined) {
      key = stableHash([file.path, String(file.size), file.mtimeNs, file.inode, file.footerHash])
      this.#versionKeys.set(file, key)
    }
    return key
  }
}
