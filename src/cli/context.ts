import { readFileSync } from 'node:fs'
import { parseDurationMs } from '../model/units.js'
import { Interrupted, UsageError } from './exit-code.js'
import { HttpClient } from './http-client.js'
import type { Output } from './output.js'

/** What a command is given: its options, its server, where it prints, and when to stop. */
export interface CommandContext {
  readonly options: Readonly<Record<string, unknown>>
  readonly output: Output
  readonly environment: NodeJS.ProcessEnv
  readonly stdin: NodeJS.ReadStream
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  /** Made when it is first asked for: some commands need no server. */
  client(): HttpClient
}

/** The context of one call of a command. Ctrl-C aborts its signal; a second one ends the process. */
export function makeContext(options: Record<string, unknown>, from: NodeJS.Process, defaultUrl: string): CommandContext {
  const controller = new AbortController()
  from.once('SIGINT', () => {
    controller.abort(new Interrupted())
    from.exitCode = 130
    from.once('SIGINT', () => from.exit(130))
  })
  // An empty variable is an absent one, as `forebay serve` has it.
  const url = text(options['url']) ?? (from.env['FOREBAY_URL'] || defaultUrl)
  const tokenFile = text(options['tokenFile']) ?? (from.env['FOREBAY_TOKEN_FILE'] || undefined)
  return {
    options,
    output: { stdout: from.stdout, stderr: from.stderr, json: options['json'] === true },
    environment: from.env,
    stdin: from.stdin,
    signal: controller.signal,
    client: () => new HttpClient({ url, tokenFile }),
  }
}

/** An option's text, when it was given. */
export const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** A flag's duration in milliseconds; what is none, or less than `least`, is wrong usage. */
export function durationMs(given: string, flag: string, example: string, least = 1): number {
  const ms = parsed(given, flag, example)
  if (ms >= least) return ms
  throw new UsageError(`${flag} must be at least ${least} ms`, `${flag} ${example}`)
}

function parsed(given: string, flag: string, example: string): number {
  try {
    return parseDurationMs(given, flag)
  } catch (error) {
    throw new UsageError((error as Error).message, `${flag} ${example}`)
  }
}

/** Version of this package. */
export function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
