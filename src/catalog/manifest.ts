import { join } from 'node:path'
import { ForebayError } from '../model/errors.js'
import { type Column, stableHash } from '../model/segment.js'
import type { FileSystem } from './file-system.js'

/** All written tables and views at one moment: one file, replaced whole by a rename. */
export interface Manifest {
  /** Counts commits. */
  readonly generation: number
  readonly tables: readonly ManifestTable[]
  readonly views: readonly ManifestView[]
  /** Answers of writes by idempotency key, oldest first. */
  readonly results: readonly { readonly key: string; readonly result: unknown }[]
}

export interface ManifestTable {
  readonly name: string
  /** The commit that made this state of the table. */
  readonly generation: number
  readonly columns: readonly Column[]
  /** Paths below the folder of written tables, with `/`, in the order of the table. */
  readonly files: readonly ManifestFile[]
  /** Epoch milliseconds. */
  readonly createdAt: number
}

export interface ManifestFile {
  readonly path: string
  readonly rows: number
  readonly bytes: number
  /** What the commit saw: a file whose time has changed since is believed only with the same checksum. Absent in older manifests. */
  readonly seen?: { readonly mtimeNs: string; readonly crc32: number }
}

interface ManifestView {
  readonly name: string
  readonly generation: number
  readonly sql: string
}

export const emptyManifest: Manifest = { generation: 0, tables: [], views: [], results: [] }
export const manifestName = 'manifest.json'
const temporaryName = '.manifest.json.new'
const format = 1

/** The manifest of a folder; an empty one where none was written. Throws STATE_TOO_NEW or CHECKSUM_MISMATCH. */
export async function readManifest(fileSystem: FileSystem, folder: string): Promise<Manifest> {
  const path = join(folder, manifestName)
  const text = await fileSystem.read(path)
  return text === undefined ? emptyManifest : decodeManifest(text, path)
}

/**
 * Replaces the manifest: temporary name, fsync, rename, fsync of the folder. The rename is the commit; when this rejects, a
 * reader finds either the old or the new manifest, and only reading it again says which.
 */
export async function replaceManifest(fileSystem: FileSystem, folder: string, manifest: Manifest): Promise<void> {
  const temporary = join(folder, temporaryName)
  await fileSystem.write(temporary, encodeManifest(manifest))
  await fileSystem.rename(temporary, join(folder, manifestName))
  await fileSystem.sync(folder)
}

/** JSON with a checksum around it. */
function encodeManifest(manifest: Manifest): string {
  const body = JSON.stringify(manifest)
  return `${JSON.stringify({ format, checksum: stableHash([body], 64) })}\n${body}\n`
}

function decodeManifest(text: string, path: string): Manifest {
  const [head = '', body = ''] = text.split('\n')
  const header = parse<{ format?: number; checksum?: string }>(head)
  if (typeof header?.format === 'number' && header.format > format) {
    throw new ForebayError('STATE_TOO_NEW', `file "${path}" was written by a newer version of forebay`)
  }
  const whole = header?.format === format && header.checksum === stableHash([body], 64)
  const manifest = whole ? parse<Manifest>(body) : undefined
  if (manifest !== undefined) return manifest
  throw new ForebayError('CHECKSUM_MISMATCH', `file "${path}" is damaged: its checksum differs`, {
    hint: 'restore the file from a backup of the state folder',
  })
}

function parse<T>(json: string): T | undefined {
  try {
    return JSON.parse(json) as T
  } catch {
    return undefined
  }
}
