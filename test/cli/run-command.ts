import { spawn } from 'node:child_process'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The bytes of stdout, for binary answers. */
  readonly bytes: Buffer
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
  /** Called with every piece of stdout and stderr, and a way to send a signal. */
  readonly watch?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
}

export const main = new URL('../../dist/cli/main.js', import.meta.url).pathname

/** Runs `forebay ARGS` as its users do, through pipes, to its end. */
export function runCommand(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return runProgram(process.execPath, [main, ...args], options)
}

/** Runs any program through pipes, to its end. */
export function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = spawn(program, [...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  const [out, error]: [Buffer[], Buffer[]] = [[], []]
  const kill = (signal: NodeJS.Signals): void => void child.kill(signal)
  for (const [stream, parts] of [
    [child.stdout, out],
    [child.stderr, error],
  ] as const) {
    stream.on('data', (part: Buffer) => {
      parts.push(part)
      options.watch?.(part.toString(), kill)
    })
  }
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  return new Promise((resolve) => {
    child.once('close', (code) => {
      const bytes = Buffer.concat(out)
      resolve({ code, stdout: bytes.toString(), stderr: Buffer.concat(error).toString(), bytes })
    })
  })
}
