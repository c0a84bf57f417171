/** The one mapping from failures to exit codes and to the lines on stderr. */
import { CommanderError } from 'commander'
import { type ErrorCode, ForebayError } from '../model/errors.js'

export const exitCodes = { fine: 0, failed: 1, wrongUsage: 2, interrupted: 130 } as const

/** What the user typed is wrong: exit 2. */
export class UsageError extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.name = 'UsageError'
    this.hint = hint
  }
}

/** A file that the user named cannot be read. */
export function unreadable(file: string, cause: Error): UsageError {
  return new UsageError(`${file} cannot be read: ${cause.message}`, `look at the path; a relative one begins in ${process.cwd()}`)
}

/** A file that the user named cannot be written. */
export function unwritable(file: string, cause: Error): UsageError {
  // What Node says ends with the name that it was given, which is a temporary one.
  const reason = cause.message.replace(/, \w+ '.*'$/s, '')
  return new UsageError(
    `${file} cannot be written: ${reason}`,
    `name a file in a folder that is there and yours to write to; a relative path begins in ${process.cwd()}`,
  )
}

/** The user pressed Ctrl-C: exit 130, nothing to say. */
export class Interrupted extends Error {}

/** Hints for codes whose error brings none. */
const hints: Partial<Record<ErrorCode, string>> = {
  SQL_SYNTAX: 'look at the position that the message names; docs/sql.md says what is understood',
  NAME_NOT_FOUND: 'forebay tables lists the tables and their columns',
  UNAUTHORIZED: 'add --token-file FILE, or set FOREBAY_TOKEN_FILE',
  CONFIGURATION_INVALID: 'forebay serve --help lists the flags',
  STATE_IN_USE: 'stop the other server, or use another folder with --state DIR',
  QUEUE_FULL: 'try again in a moment',
  DEADLINE_EXCEEDED: 'give it more time with --timeout, or ask for less',
  UNAVAILABLE: 'forebay status shows what the server is doing',
}

/** Writes `error: …` and, where there is one, `try: …`; returns the exit code. */
export function report(error: unknown, stderr: { write(text: string): unknown }): number {
  if (error instanceof Interrupted) return exitCodes.interrupted
  // Commander has written its message itself; asking for help or the version is no error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.fine : exitCodes.wrongUsage
  const message = error instanceof Error ? error.message : String(error)
  const hint = hintOf(error)
  stderr.write(`error: ${oneLine(message)}${place(error)}\n`)
  if (hint !== undefined) stderr.write(`try: ${oneLine(hint)}\n`)
  return error instanceof UsageError ? exitCodes.wrongUsage : exitCodes.failed
}

/** Where in the SQL text it is, counted from 1 as editors do. */
function place(error: unknown): string {
  return error instanceof ForebayError && error.position !== undefined ? ` (at character ${error.position + 1})` : ''
}

function hintOf(error: unknown): string | undefined {
  if (error instanceof UsageError) return error.hint
  if (error instanceof ForebayError) return error.hint ?? hints[error.code]
  return undefined
}

/** A server's text must not steer the terminal. */
const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ').replace(/\p{Cc}/gu, '')
