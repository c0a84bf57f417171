import { entryPoint } from '../../model/entry-point.js'
import type { PlanRequest } from '../planner.js'
import { Child, type ChildExit } from './child.js'
import type { FromPlanner, ToPlanner } from './messages.js'

/** What one try at a plan came to. `slow` and `died` have cost the process. */
export type PlanAttempt =
  | { readonly outcome: 'answered'; readonly message: FromPlanner & { type: 'answer' } }
  | { readonly outcome: 'failed'; readonly message: FromPlanner & { type: 'failed' } }
  | { readonly outcome: 'slow' }
  | { readonly outcome: 'died'; readonly exit: ChildExit }
  | { readonly outcome: 'aborted' }

/** One planner process and its successors: whenever it is started, it is told every definition first. */
export class PlannerProcess {
  readonly #child: Child<ToPlanner, FromPlanner>
  readonly #definitions: () => Iterable<ToPlanner>
  readonly #limitMs: number
  #lastId = 0
  #started: Promise<void> | undefined

  constructor(definitions: () => Iterable<ToPlanner>, limitMs: number) {
    this.#child = new Child(entryPoint('../main.js', import.meta.url))
    this.#definitions = definitions
    this.#limitMs = limitMs
  }

  get running(): boolean {
    return this.#child.running
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Starts the process unless it runs; the first messages it gets are the definitions. */
  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  /** Tells a running process; one that starts later learns it from the definitions. */
  tell(message: ToPlanner): void {
    if (this.#child.running) this.#child.send(message)
  }

  /** One plan, killed when it takes too long or is not wanted any more. */
  async plan(request: PlanRequest, signal: AbortSignal): Promise<PlanAttempt> {
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
    const timer = setTimeout(() => kill('slow'), this.#limitMs)
    const onAbort = (): void => kill('aborted')
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const message = await this.#child.ask({ type: 'plan', id: ++this.#lastId, request })
      if (message.type === 'answer') return { outcome: 'answered', message }
      if (message.type === 'failed') return { outcome: 'failed', message }
      return { outcome: 'died', exit: { code: null, signal: null } }
    } catch (exit) {
      this.#started = undefined
      return killed === undefined ? { outcome: 'died', exit: exit as ChildExit } : { outcome: killed }
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  async stop(): Promise<void> {
    await this.#child.kill()
    this.#started = undefined
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
