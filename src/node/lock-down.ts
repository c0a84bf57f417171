import { ForebayError } from '../model/errors.js'
import { quoteText, quoteTexts } from '../model/quote.js'
import type { Session } from './session.js'

/** What one DuckDB instance may use. */
export interface InstanceLimits {
  readonly threads: number
  readonly memoryBytes: number
  readonly tempFolder: string
  readonly tempBytesMax: number
  /** Everything below these folders may be read and attached; nothing else. */
  readonly folders: readonly string[]
}

/** Settings that our own code changes later. No user SQL can: it is exactly one SELECT, and SET is none. */
const changeable = ['TimeZone', 'memory_limit']

/** The statements that close an instance, in the order that works; after the last one no setting changes any more. */
function lockDownStatements(limits: InstanceLimits): readonly string[] {
  const folders = limits.folders.map((folder) => (folder.endsWith('/') ? folder : `${folder}/`))
  return [
    'SET autoinstall_known_extensions = false',
    'SET autoload_known_extensions = false',
    'SET allow_community_extensions = false',
    'SET allow_persistent_secrets = false',
    `SET memory_limit = '${mebibytes(limits.memoryBytes)}MiB'`,
    `SET threads = ${limits.threads}`,
    `SET max_temp_directory_size = '${mebibytes(limits.tempBytesMax)}MiB'`,
    `SET temp_directory = ${quoteText(limits.tempFolder)}`,
    `SET GLOBAL TimeZone = 'UTC'`,
    'SET parquet_metadata_cache = true',
    `SET allowed_directories = ${quoteTexts(folders)}`,
    'SET enable_external_access = false',
    `SET allowed_configs = ${quoteTexts(changeable)}`,
    'SET lock_configuration = true',
  ]
}

const expected: Readonly<Record<string, string>> = {
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  allow_community_extensions: 'false',
  allow_persistent_secrets: 'false',
  enable_external_access: 'false',
  lock_configuration: 'true',
}

/** Closes an instance and reads the flags back. Rejects with INTERNAL when one of them is not as it must be. */
export async function lockDown(session: Session, limits: InstanceLimits): Promise<void> {
  await session.run(lockDownStatements(limits).join(';\n'))
  const names = [...Object.keys(expected), 'threads'].map(quoteText).join(', ')
  const rows = await session.rows(`SELECT name, value FROM duckdb_settings() WHERE name IN (${names})`)
  const found = new Map(rows.map(([name, value]) => [String(name), String(value)]))
  for (const [name, value] of Object.entries({ ...expected, threads: String(limits.threads) })) {
    if (found.get(name) !== value) {
      throw new ForebayError('INTERNAL', `DuckDB is not locked down: "${name}" is ${found.get(name)}, not ${value}`)
    }
  }
}

function mebibytes(bytes: number): number {
  return Math.max(1, Math.floor(bytes / (1 << 20)))
}
