/**
 * Every operating failure that a user can see. Codes are stable and documented in docs/errors.md.
 * HTTP statuses are mapped in server/http/error-status.ts, exit codes in cli/exit-code.ts, and nowhere else.
 */
export const errorCodes = [
  'SQL_SYNTAX',
  'NAME_NOT_FOUND',
  'NOT_ALLOWED',
  'NOT_SUPPORTED',
  'TYPE_MISMATCH',
  'QUERY_FAILED',
  'PARAMETER_INVALID',
  'REQUEST_INVALID',
  'REQUEST_TOO_LARGE',
  'NOT_FOUND',
  'CONFLICT',
  'UNAUTHORIZED',
  'FORBIDDEN_ORIGIN',
  'TABLE_NOT_MANAGED',
  'TABLE_EXISTS',
  'WRITE_CONFLICT',
  'FILE_UNREADABLE',
  'FILES_DISAGREE',
  'SEGMENT_CHANGED',
  'CHECKSUM_MISMATCH',
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'MEMORY_EXCEEDED',
  'DISK_EXCEEDED',
  'RESULT_TOO_LARGE',
  'QUEUE_FULL',
  'STATEMENT_QUARANTINED',
  'NODE_LOST',
  'PLANNER_LOST',
  'UNAVAILABLE',
  'STATE_IN_USE',
  'STATE_TOO_NEW',
  'CONFIGURATION_INVALID',
  'INTERNAL',
] as const
export type ErrorCode = (typeof errorCodes)[number]

export interface ErrorDetails {
  /** The next step for the person who reads it, a lower-case sentence. */
  readonly hint?: string
  /** Character offset into the SQL text, from 0. */
  readonly position?: number
  readonly queryId?: string
  readonly cause?: unknown
}

/** The one error class that crosses rooms and processes. The message is a lower-case sentence that names the thing. */
export class ForebayError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly position: number | undefined
  readonly queryId: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'ForebayError'
    this.code = code
    this.hint = details.hint
    this.position = details.position
    this.queryId = details.queryId
  }
}

/** FILE_UNREADABLE of a file that a table is made of; `message` names it. */
export function fileUnreadable(message: string, cause?: unknown): ForebayError {
  const hint = 'write the file again, or move it out of its folder; the other tables answer meanwhile'
  return new ForebayError('FILE_UNREADABLE', message, { hint, cause })
}

/** REQUEST_INVALID of a file to import; `message` says what is wrong with it. */
export function importUnreadable(message: string, cause: unknown): ForebayError {
  return new ForebayError('REQUEST_INVALID', message, {
    hint: 'mend the file and import it again; nothing of it was imported',
    cause,
  })
}

/** A table or view cannot be made under this name; `isRelationName` says which can. */
export function nameNotAllowed(name: string, position?: number): ForebayError {
  return new ForebayError('NOT_ALLOWED', `"${name.slice(0, 200)}" cannot be the name of a table or view`, {
    ...(position === undefined ? {} : { position }),
    hint: 'names are at most 200 characters, do not begin with _ or . and hold no slash',
  })
}

/** TABLE_NOT_MANAGED of a write to a table of the data folder. */
export function tableNotManaged(table: string, place: string): ForebayError {
  const hint = 'choose another name for the table to write'
  return new ForebayError('TABLE_NOT_MANAGED', `table "${table}" is read from ${place} and is not written by forebay`, { hint })
}

/** NOT_SUPPORTED of rows that are to be inserted into a view. */
export function viewNotWritable(view: string): ForebayError {
  return new ForebayError('NOT_SUPPORTED', `"${view}" is a view: rows cannot be inserted into it`, {
    hint: 'insert into a table that it reads',
  })
}

/** What of an error travels between processes and to clients. */
export interface ErrorRecord {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string
  readonly position?: number
  readonly queryId?: string
}

/** Turns anything thrown into a record: a full disk is called by its name, what is not a ForebayError is INTERNAL with its message. */
export function toErrorRecord(error: unknown): ErrorRecord {
  if (error instanceof ForebayError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.position === undefined ? {} : { position: error.position }),
      ...(error.queryId === undefined ? {} : { queryId: error.queryId }),
    }
  }
  const message = error instanceof Error ? error.message : String(error)
  if (isFullDisk(error)) return { code: 'DISK_EXCEEDED', message: `no space is left on the disk: ${message}` }
  return { code: 'INTERNAL', message }
}

function isFullDisk(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** The error of a record that came from another process. */
export function fromErrorRecord(record: ErrorRecord): ForebayError {
  return new ForebayError(record.code, record.message, record)
}
