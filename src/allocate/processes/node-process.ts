/**
 * One incarnation of a node: a child process from fork to exit. It is watched from outside, since a process that spins, is
 * stopped or eats memory cannot be trusted to notice: pings unanswered for too long, or more resident memory than allowed,
 * and it is killed. DuckDB's own memory limit does not bound what the process takes.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import {
  type FromNode,
  memoryExceededSignal,
  type NodeConfiguration,
  nodeEnvironment,
  type ToNode,
} from '../../model/messages.js'
import type { LossCause } from '../node-fleet.js'

export interface NodeProcessOptions {
  readonly entry: URL
  readonly configuration: NodeConfiguration
  readonly pingEveryMs: number
  /** Killed when nothing came from it for so long. */
  readonly silenceMsMax: number
  readonly memoryCheckEveryMs: number
  /** Resident memory at which it is killed. */
  readonly residentBytesMax: number
  readonly onMessage: (message: FromNode) => void
  readonly onExit: (exit: ProcessExit) => void
}

export interface ProcessExit {
  readonly cause: LossCause
  readonly message: string
}

const crashSignals: readonly string[] = ['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE']

export class NodeProcess {
  readonly #options: NodeProcessOptions
  readonly #child: ChildProcess
  readonly #timers: NodeJS.Timeout[]
  #heardAt = performance.now()
  #nonce = 0
  #residentBytes = 0
  /** Why we killed it, when we did. */
  #verdict: ProcessExit | undefined
  #errors = ''
  #exited = false
  #started = false

  constructor(options: NodeProcessOptions) {
    this.#options = options
    this.#child = fork(options.entry, [], {
      env: { ...process.env, ...nodeEnvironment(options.configuration) },
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-4000)
    })
    this.#child.on('message', (message) => this.#receive(message as FromNode))
    this.#child.on('error', (error) =>
      this.#end({ cause: 'exit', message: `${this.#id} could not be started: ${error.message}` }),
    )
    this.#child.on('exit', (code, signal) => this.#end(this.#verdict ?? this.#classify(code, signal)))
    this.#timers = [
      setInterval(() => this.#ping(), options.pingEveryMs),
      setInterval(() => this.#checkMemory(), options.memoryCheckEveryMs),
    ]
    for (const timer of this.#timers) timer.unref()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Resident memory at the last look. */
  get residentBytes(): number {
    return this.#residentBytes
  }

  send(message: ToNode): boolean {
    if (this.#exited || !this.#child.connected) return false
    // A broken channel shows as the process's exit; there is nothing else to do about it here.
    this.#child.send(message, () => {})
    return true
  }

  /** Ends it at once. `cause` is what the loss will be called. */
  kill(cause: LossCause, message: string): void {
    if (this.#exited) return
    this.#verdict ??= { cause, message }
    this.#child.kill('SIGKILL')
  }

  get #id(): string {
    return this.#options.configuration.id
  }

  #receive(message: FromNode): void {
    if (this.#exited) return
    this.#heardAt = performance.now()
    this.#started ||= message.type === 'ready'
    if (message.type !== 'pong') this.#options.onMessage(message)
  }

  #ping(): void {
    // A start has a limit of its own: while the process loads its libraries it hears nothing.
    if (!this.#started) return
    const silentMs = performance.now() - this.#heardAt
    if (silentMs > this.#options.silenceMsMax) {
      this.kill('unresponsive', `${this.#id} did not answer for ${Math.round(silentMs)} ms and was killed`)
      return
    }
    this.send({ type: 'ping', nonce: ++this.#nonce })
  }

  #checkMemory(): void {
    if (this.#exited || this.pid === undefined) return
    const bytes = residentBytes(this.pid)
    if (!Number.isFinite(bytes)) return
    this.#residentBytes = bytes
    if (this.#residentBytes <= this.#options.residentBytesMax) return
    const megabytes = (size: number): string => `${Math.round(size / 1e6)} MB`
    this.kill(
      'memory',
      `${this.#id} held ${megabytes(this.#residentBytes)} of memory, more than ${megabytes(this.#options.residentBytesMax)}, and was killed`,
    )
  }

  #classify(code: number | null, signal: string | null): ProcessExit {
    if (signal === memoryExceededSignal) return { cause: 'memory', message: `${this.#id} reached its memory limit` }
    if (signal !== null && crashSignals.includes(signal)) return { cause: 'crash', message: `${this.#id} died of ${signal}` }
    if (signal !== null) return { cause: 'killed', message: `${this.#id} was ended by ${signal}` }
    const said = this.#errors.trim().split('\n').at(-1) ?? ''
    return { cause: 'exit', message: `${this.#id} exited with code ${code}${said === '' ? '' : `: ${said}`}` }
  }

  #end(exit: ProcessExit): void {
    if (this.#exited) return
    this.#exited = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#options.onExit(exit)
  }
}

/** Not a number where it is not to be had: only Linux tells it in a file, and elsewhere the node's own watch has to do. */
function residentBytes(pid: number): number {
  try {
    // The kernel answers from memory within microseconds, a tenth of what asking in the background takes; in kilobytes, however large its pages.
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  } catch {
    return Number.NaN
  }
}
