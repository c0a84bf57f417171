import { ForebayError, fileUnreadable } from '../model/errors.js'
import { withPlainPaths } from './read-paths.js'
import { textFileError } from './text-file-error.js'

/** What an error may be about: the files, derived segments and packs that the statement read, by their paths. */
export interface ErrorScene {
  readonly files: readonly string[]
  /** Whole when they were looked at; since then somebody may have dropped them. */
  readonly derived: readonly string[]
  readonly packs: readonly string[]
}

/** Words of errors that a broken Parquet file gives. */
const brokenParquet = [
  'parquet',
  'magic bytes',
  'thrift',
  'decompress',
  'page header',
  'corrupt',
  'ran out of data',
  'out of buffer',
]

/** Turns what DuckDB threw into a failure that names the thing. A ForebayError passes through. */
export function fromDuckDBError(error: unknown, scene: ErrorScene): ForebayError {
  if (error instanceof ForebayError) return error
  const message = withPlainPaths(error instanceof Error ? error.message : String(error))
  const [kind = '', rest = message] = splitKind(message)
  const lower = message.toLowerCase()
  const failure = (code: ForebayError['code'], text: string): ForebayError => new ForebayError(code, text, { cause: error })
  if (lower.includes('no space left on device') || lower.includes('max_temp_directory_size') || lower.includes('disk quota')) {
    return failure('DISK_EXCEEDED', `the query needs more disk for temporary data than it may have: ${firstLine(rest)}`)
  }
  if (kind === 'Out of Memory Error' || lower.includes('std::bad_alloc')) {
    return failure('MEMORY_EXCEEDED', `the query needs more memory than its node may give it: ${firstLine(rest)}`)
  }
  if (kind === 'INTERRUPT Error') return failure('CANCELLED', 'the statement was interrupted')
  if (lower.includes('checksum') && lower.includes('block')) {
    return failure('CHECKSUM_MISMATCH', `pack ${named(scene.packs)} is damaged: ${firstLine(rest)}`)
  }
  const file = [...scene.files, ...scene.derived].find((path) => message.includes(path))
  if (file !== undefined && kind !== 'Conversion Error') {
    return fileUnreadable(`file "${file}" is not readable: ${firstLine(rest)}`, error)
  }
  // "Invalid Error" is what the libraries below DuckDB throw, e.g. Thrift on a page header; it never names the file.
  const aboutFiles = kind === 'Invalid Error' || (/^(IO|Invalid Input|Serialization) Error$/.test(kind) && isAboutParquet(lower))
  if (scene.files.length > 0 && aboutFiles) {
    return fileUnreadable(`file ${named(scene.files)} is not readable: ${firstLine(rest)}`, error)
  }
  if (scene.packs.length > 0 && (kind === 'IO Error' || kind === 'Serialization Error')) {
    return failure('CHECKSUM_MISMATCH', `pack ${named(scene.packs)} is not readable: ${firstLine(rest)}`)
  }
  const unread = textFileError(message, error)
  if (unread !== undefined) return unread
  return failure('QUERY_FAILED', lowerFirst(firstLine(rest)))
}

/** True where a statement ended because it was asked to. */
export function isInterrupt(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('INTERRUPT Error')
}

/** True where DuckDB takes no more statements after this error, so that the process must be replaced. */
export function isFatal(error: unknown): boolean {
  const message = error instanceof Error ? error.message : String(error)
  return (
    message.startsWith('FATAL Error') || message.startsWith('INTERNAL Error') || message.includes('database has been invalidated')
  )
}

function isAboutParquet(lower: string): boolean {
  return brokenParquet.some((word) => lower.includes(word))
}

function splitKind(message: string): readonly [string, string] | readonly [] {
  const match = /^([A-Za-z ]+? Error): ?(.*)$/s.exec(message)
  return match === null ? [] : [match[1] ?? '', match[2] ?? '']
}

function named(things: readonly string[]): string {
  const [first] = things
  if (first === undefined) return ''
  return things.length === 1 ? `"${first}"` : `"${first}" or one of ${things.length - 1} others`
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.trim() ?? ''
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text
}
