import { type ErrorCode, ForebayError } from '../model/errors.js'

/** What a DuckDB message says, before it is put into our words. */
interface Reading {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string
  /** Name that the message is about, to find its place in the user's text. */
  readonly name?: string
}

const prefix = /^(?:Invalid Input |Not implemented |Out of Range |[A-Za-z ]+ )Error:\s*/

/** Turns what DuckDB threw while it parsed or bound a statement into our error. `locate` finds a name in the user's text. */
export function planningError(error: unknown, locate: (name: string) => number | undefined): ForebayError {
  if (error instanceof ForebayError) return error
  const raw = error instanceof Error ? error.message : String(error)
  const reading = read(raw)
  const position = reading.name === undefined ? undefined : locate(reading.name)
  return new ForebayError(reading.code, reading.message, {
    ...(reading.hint === undefined ? {} : { hint: reading.hint }),
    ...(position === undefined ? {} : { position }),
    cause: error,
  })
}

function read(raw: string): Reading {
  const kind = /^([A-Za-z ]+?) Error:/.exec(raw)?.[1] ?? ''
  const [first = '', ...more] = withoutPointer(raw).replace(prefix, '').split('\n')
  const message = lowerFirst(hideInternals(first.trim().replace(/!$/, '')))
  const hint = hintOf(more)
  const name =
    /"([^"]+)"/.exec(first)?.[1] ??
    /with name (\S+) does not exist|'(\S+?)\(/
      .exec(first)
      ?.slice(1)
      .find((found) => found !== undefined)
  const about = { message, ...(hint === undefined ? {} : { hint }), ...(name === undefined ? {} : { name }) }
  return { code: codeOf(kind, first), ...about }
}

function codeOf(kind: string, first: string): ErrorCode {
  if (/Parser|Syntax/.test(kind)) return 'SQL_SYNTAX'
  if (
    /not found in FROM clause|does not exist|does not have a column|could not find key|not found in|Referenced (table|column)/i.test(
      first,
    )
  ) {
    return 'NAME_NOT_FOUND'
  }
  if (
    /No function matches|best candidate function|Cannot (mix|combine|compare|cast|deduce)|Conversion|Could not convert|type mismatch|Unimplemented type/i.test(
      kind + first,
    )
  ) {
    return 'TYPE_MISMATCH'
  }
  if (/Not implemented/i.test(kind)) return 'NOT_SUPPORTED'
  if (/Permission|disabled/i.test(kind + first)) return 'NOT_ALLOWED'
  if (/INTERNAL|Fatal/i.test(kind)) return 'NOT_SUPPORTED'
  return 'SQL_SYNTAX'
}

/** DuckDB draws the line and a caret; positions into rewritten text would only mislead. */
function withoutPointer(raw: string): string {
  const at = raw.search(/\n+LINE \d+:/)
  return at < 0 ? raw : raw.slice(0, at)
}

function hintOf(lines: readonly string[]): string | undefined {
  const telling = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('Candidate functions'))
  const named = telling.find((line) => line.startsWith('Did you mean') || line.startsWith('Candidate bindings'))
  if (named !== undefined) return lowerFirst(hideInternals(named))
  const rest = telling.find((line) => !/->|^\t/.test(line))
  return rest === undefined ? undefined : lowerFirst(hideInternals(rest))
}

function hideInternals(text: string): string {
  return text.replaceAll(/\b__fb\d+\b/g, 'table').slice(0, 600)
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text[0]?.toLowerCase() + text.slice(1) : text
}
