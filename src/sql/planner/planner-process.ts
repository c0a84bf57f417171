import { entryPoint } from '../../model/entry-point.js'
import type { PlanRequest } from '../planner.js'
import { Child, type ChildExit } from './child.js'
import { cpuMsOf } from './cpu-time.js'
import type { FromPlanner, ToPlanner } from './messages.js'

/** What one try at a plan came to. `slow` and `died` have cost the process. */
export type PlanAttempt =
  | { readonly outcome: 'answered'; readonly message: FromPlanner & { type: 'answer' } }
  | { readonly outcome: 'failed'; readonly message: FromPlanner & { type: 'failed' } }
  | { readonly outcome: 'slow' }
  | { readonly outcome: 'died'; readonly exit: ChildExit }
  | { readonly outcome: 'aborted' }

/** A planner that is at it all the time uses nearly all of the limit as CPU time. */
const cpuShare = 0.8
/** A long statement has the limit once more for every so many characters, up to five times. */
const longCharacters = 10_000
const longFactorMax = 5

/** What a statement may take to plan, when a short one may take `limitMs`: 2,000 sums or 100,000 constants are honest work. */
export function planLimitMs(sql: string, limitMs: number): number {
  return limitMs * Math.min(longFactorMax, 1 + sql.length / longCharacters)
}

/** One planner process and its successors: whenever it is started, it is told every definition first. */
export class PlannerProcess {
  readonly #child: Child<ToPlanner, FromPlanner>
  readonly #definitions: () => Iterable<ToPlanner>
  readonly #limitMs: number
  #lastId = 0
  #started: Promise<void> | undefined

  /** `onIdleEnd` is called when the process ends while it plans nothing. */
  constructor(definitions: () => Iterable<ToPlanner>, limitMs: number, onIdleEnd: () => void) {
    this.#child = new Child(entryPoint('../main.js', import.meta.url), {}, onIdleEnd)
    this.#definitions = definitions
    this.#limitMs = limitMs
  }

  get running(): boolean {
    return this.#child.running
  }

  /** False while it starts. */
  get isReady(): boolean {
    return this.#child.isReady
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Starts the process unless it runs; the first messages it gets are the definitions. */
  start(): Promise<void> {
    if (this.#started === undefined || !this.#child.running) this.#started = this.#start()
    return this.#started
  }

  /** Tells a running process; one that starts later learns it from the definitions. */
  tell(message: ToPlanner): void {
    if (this.#child.running) this.#child.send(message)
  }

  /** One plan, killed when it takes too long or is not wanted any more. */
  async plan(request: PlanRequest, wantsForm: boolean, signal: AbortSignal): Promise<PlanAttempt> {
    try {
      await this.start()
    } catch (exit) {
      return { outcome: 'died', exit: exit as ChildExit }
    }
    if (signal.aborted) return { outcome: 'aborted' }
    let killed: 'slow' | 'aborted' | undefined
    const kill = (why: 'slow' | 'aborted'): void => {
      killed ??= why
      void this.#child.kill()
    }
    const stopWatching = this.#watch(planLimitMs(request.sql, this.#limitMs), () => kill('slow'))
    const onAbort = (): void => kill('aborted')
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const message = await this.#child.ask({ type: 'plan', id: ++this.#lastId, request, wantsForm })
      if (message.type === 'answer') return { outcome: 'answered', message }
      if (message.type === 'failed') return { outcome: 'failed', message }
      return { outcome: 'died', exit: { code: null, signal: null } }
    } catch (exit) {
      this.#started = undefined
      return killed === undefined ? { outcome: 'died', exit: exit as ChildExit } : { outcome: killed }
    } finally {
      stopWatching()
      signal.removeEventListener('abort', onAbort)
    }
  }

  async stop(): Promise<void> {
    await this.#child.kill()
    this.#started = undefined
  }

  /**
   * Calls `kill` when the plan has had its time: by CPU time, so that a planner is not ended for what a busy machine keeps
   * from it, and in any case after ten times the limit. Returns how to stop watching.
   */
  #watch(limitMs: number, kill: () => void): () => void {
    const cpuMsBefore = cpuMsOf(this.#child.pid) ?? 0
    const startedAt = performance.now()
    const look = (): void => {
      const usedMs = (cpuMsOf(this.#child.pid) ?? Number.POSITIVE_INFINITY) - cpuMsBefore
      if (usedMs >= limitMs * cpuShare || performance.now() - startedAt >= limitMs * 10) kill()
      else timer = setTimeout(look, limitMs / 4)
    }
    let timer = setTimeout(look, limitMs)
    return () => clearTimeout(timer)
  }

  async #start(): Promise<void> {
    try {
      const ready = this.#child.start()
      for (const message of this.#definitions()) this.#child.send(message)
      await ready
    } catch (exit) {
      this.#started = undefined
      throw exit
    }
  }
}
