import { setMaxListeners } from 'node:events'
import { type FooterResult, type RelationDefinition, relationName } from '../model/catalogue.js'
import { type Clock, systemClock } from '../model/clock.js'
import { ForebayError, fromErrorRecord } from '../model/errors.js'
import { foldName } from '../model/fold-name.js'
import type { Plan } from '../model/query.js'
import { underEither } from '../model/under-either.js'
import { FooterReader } from './footers/footer-reader.js'
import type { ChildExit } from './planner/child.js'
import type { ToPlanner } from './planner/messages.js'
import { cacheKey, PlanCache } from './planner/plan-cache.js'
import type { PlanForm } from './planner/plan-form.js'
import { type FormedRequest, PlanForms } from './planner/plan-forms.js'
import { type PlanAttempt, PlannerProcess, planLimitMs } from './planner/planner-process.js'
import { Quarantine } from './planner/quarantine.js'
import type { PlannerPool, PlannerStats, PlanRequest, UnionResult } from './planner.js'

export interface PlannerPoolOptions {
  /** Planner processes; at least two, so that one that is being replaced does not stop everybody. */
  readonly planners?: number
  /** A plan that takes longer costs its process; a long statement may take up to five times as much. */
  readonly planMsMax?: number
  /** The footer process ends after so long without work. */
  readonly footerIdleMs?: number
  readonly quarantineMs?: number
  readonly clock?: Clock
}

/** A request on its way to a planner. */
interface Asked {
  readonly key: string
  readonly request: PlanRequest
  readonly formed: FormedRequest | undefined
}

/** Starts in a row of a planner that was ended while it started. */
const restartsMax = 5

/** A pool whose planners are still to be started; what it is told until then they learn when they start. */
export function newPlannerPool(options: PlannerPoolOptions = {}): PlannerPool & Pick<ProcessPlannerPool, 'start'> {
  return new ProcessPlannerPool(options)
}

/** Starts the planners; resolves when one of them can answer. */
export async function openPlannerPool(options: PlannerPoolOptions = {}): Promise<PlannerPool> {
  const pool = newPlannerPool(options)
  await pool.start()
  return pool
}

/**
 * Planners in processes of their own. Each works on one statement at a time; a statement waits for the first free one. What
 * a killed or crashed planner was working on is tried once more on another; a second crash puts the statement's text aside.
 */
class ProcessPlannerPool implements PlannerPool {
  readonly #definitions = new Map<string, { readonly definition: RelationDefinition; readonly message: ToPlanner }>()
  readonly #planners: readonly PlannerProcess[]
  readonly #free: PlannerProcess[]
  readonly #queue: ((planner: PlannerProcess) => void)[] = []
  readonly #cache = new PlanCache(2_000, 20_000)
  readonly #forms = new PlanForms((name) => this.#definitions.get(name)?.definition)
  readonly #quarantine: Quarantine
  readonly #footers: FooterReader
  readonly #closing = new AbortController()
  readonly #recentMs: number[] = []
  readonly #planMsMax: number
  #plans = 0
  #cacheHits = 0
  #lost = 0

  constructor(options: PlannerPoolOptions) {
    // One listener for each statement that is planned or waits.
    setMaxListeners(0, this.#closing.signal)
    this.#planMsMax = options.planMsMax ?? 1_000
    this.#planners = Array.from({ length: Math.max(1, options.planners ?? 2) }, (): PlannerProcess => {
      const planner = new PlannerProcess(
        () => [...this.#definitions.values()].map(({ message }) => message),
        this.#planMsMax,
        () => this.#replace(planner),
      )
      return planner
    })
    this.#free = [...this.#planners]
    this.#quarantine = new Quarantine(options.clock ?? systemClock, options.quarantineMs ?? 600_000)
    this.#footers = new FooterReader(options.footerIdleMs ?? 10_000, () => this.#lost++)
  }

  /** Resolves when one planner can answer. The others start after it and after `urgent`, so that they do not take its time. */
  async start(urgent: Promise<unknown> = Promise.resolve()): Promise<void> {
    let cause: unknown
    for (const [index, planner] of this.#planners.entries()) {
      this.#checkOpen()
      try {
        await planner.start()
        const others = this.#planners.slice(index + 1)
        void urgent.then(() => others.map((other) => this.#startAgain(other, 0)))
        return
      } catch (error) {
        cause = error
      }
    }
    throw new ForebayError('PLANNER_LOST', 'no planner process could be started', { cause })
  }

  define(definition: RelationDefinition): void {
    const message: ToPlanner = { type: 'define', definition: JSON.stringify(definition) }
    const name = foldName(relationName(definition))
    this.#forms.definitionChanged(this.#definitions.get(name)?.definition, definition)
    this.#definitions.set(name, { definition, message })
    this.#tellAll(message)
  }

  forget(name: string): void {
    this.#forms.definitionChanged(this.#definitions.get(foldName(name))?.definition, undefined)
    this.#definitions.delete(foldName(name))
    this.#tellAll({ type: 'forget', name })
  }

  async plan(request: PlanRequest, signal: AbortSignal): Promise<Plan> {
    this.#checkOpen()
    const key = cacheKey(request)
    const cached = this.#cache.find(key)
    if (cached !== undefined) {
      this.#cacheHits++
      return { ...cached, planMs: 0 }
    }
    this.#quarantine.check(request.sql)
    const { version } = this.#cache
    const formed = this.#forms.read(request)
    const made = formed === undefined ? undefined : await this.#forms.plan(formed)
    if (made !== undefined) {
      this.#made(made)
      this.#cache.keep(key, made, version)
      return made
    }
    return underEither([signal, this.#closing.signal], (stop) => this.#planOnSomePlanner({ key, request, formed }, stop))
  }

  async readFooters(paths: readonly string[], signal: AbortSignal): Promise<readonly FooterResult[]> {
    this.#checkOpen()
    return underEither([signal, this.#closing.signal], (stop) => this.#footers.read(paths, stop))
  }

  async describeFiles(paths: readonly string[], signal: AbortSignal): Promise<UnionResult> {
    this.#checkOpen()
    return underEither([signal, this.#closing.signal], (stop) => this.#footers.describe(paths, stop))
  }

  stats(): PlannerStats {
    const sorted = [...this.#recentMs].sort((a, b) => a - b)
    return {
      planners: this.#planners.filter((planner) => planner.running).length,
      plans: this.#plans,
      cacheHits: this.#cacheHits,
      lost: this.#lost,
      relations: this.#definitions.size,
      planMsP50: sorted[sorted.length >> 1] ?? 0,
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ForebayError('UNAVAILABLE', 'the planners are closing'))
    await Promise.all([...this.#planners.map((planner) => planner.stop()), this.#footers.close()])
  }

  /** A planner was ended from outside while it planned nothing: another takes its place before a statement needs it. */
  #replace(planner: PlannerProcess): void {
    if (this.#closing.signal.aborted) return
    this.#lost++
    void this.#startAgain(planner, 0)
  }

  /** One that ends while it starts is started again, a few times; after that the next statement does it. */
  async #startAgain(planner: PlannerProcess, failures: number): Promise<void> {
    // One that starts once all were stopped would keep the process alive.
    if (this.#closing.signal.aborted) return
    try {
      await planner.start()
    } catch {
      if (failures < restartsMax) await this.#startAgain(planner, failures + 1)
    }
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason
  }

  #tellAll(message: ToPlanner): void {
    this.#cache.definitionsChanged()
    for (const planner of this.#planners) planner.tell(message)
  }

  #made(plan: Plan): void {
    this.#plans++
    if (this.#recentMs.push(plan.planMs) > 101) this.#recentMs.shift()
  }

  /** Not waited for; a form that cannot be learned costs its statements a planner, and nothing else. */
  #learn(formed: FormedRequest, plan: Plan, form: PlanForm | undefined): void {
    this.#forms.learn(formed, plan, form).catch(() => undefined)
  }

  async #attempt({ key, request, formed }: Asked, signal: AbortSignal): Promise<PlanAttempt> {
    const planner = await this.#take(signal)
    const { version } = this.#cache
    const attempt = await planner.plan(request, formed !== undefined && this.#forms.wants(formed), signal)
    if (attempt.outcome === 'answered') {
      const { plan, cacheable, form } = attempt.message
      this.#made(plan)
      if (cacheable) this.#cache.keep(key, plan, version)
      // What was planned over definitions that have changed since teaches nothing.
      if (cacheable && formed !== undefined && version === this.#cache.version) this.#learn(formed, plan, form)
    }
    if (!planner.running && !this.#closing.signal.aborted) {
      if (attempt.outcome !== 'aborted') this.#lost++
      // Not waited for: whoever needs it next waits for its start.
      void this.#startAgain(planner, 0)
    }
    this.#give(planner)
    return attempt
  }

  /** One more try after a crash or a timeout, which are held against the statement; a few after other deaths, which are not. */
  async #planOnSomePlanner(asked: Asked, signal: AbortSignal): Promise<Plan> {
    const { request } = asked
    let crashes = 0
    let timeouts = 0
    for (let attempts = 0; attempts < 5 && crashes + timeouts < 2; attempts++) {
      const attempt = await this.#attempt(asked, signal)
      if (attempt.outcome === 'answered') return attempt.message.plan
      if (attempt.outcome === 'failed') throw fromErrorRecord(attempt.message.error)
      if (attempt.outcome === 'aborted') {
        this.#checkOpen()
        throw new ForebayError('CANCELLED', 'the query was cancelled while it was planned')
      }
      if (attempt.outcome === 'slow') timeouts++
      else if (isCrash(attempt.exit)) crashes++
    }
    if (crashes === 2) {
      this.#quarantine.add(request.sql)
      this.#quarantine.check(request.sql)
    }
    if (timeouts === 0)
      throw new ForebayError('PLANNER_LOST', 'the planner died while it worked on the statement', { hint: 'try again' })
    throw new ForebayError(
      'PLANNER_LOST',
      `planning the statement took longer than ${Math.round(planLimitMs(request.sql, this.#planMsMax))} ms`,
      {
        hint: 'make the statement smaller: split it, or keep intermediate results in a table',
      },
    )
  }

  /** The first free planner, one that can answer at once if there is one; waits in line otherwise. */
  #take(signal: AbortSignal): Promise<PlannerProcess> {
    const index = Math.max(
      0,
      this.#free.findIndex((planner) => planner.isReady),
    )
    const planner = this.#free.splice(index, 1)[0]
    if (planner !== undefined) return Promise.resolve(planner)
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#queue.splice(this.#queue.indexOf(take), 1)
        reject(
          this.#closing.signal.aborted
            ? this.#closing.signal.reason
            : new ForebayError('CANCELLED', 'the query was cancelled while it waited for a planner'),
        )
      }
      const take = (free: PlannerProcess): void => {
        signal.removeEventListener('abort', onAbort)
        resolve(free)
      }
      this.#queue.push(take)
      if (signal.aborted) onAbort()
      else signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  #give(planner: PlannerProcess): void {
    const next = this.#queue.shift()
    if (next === undefined) this.#free.push(planner)
    else next(planner)
  }
}

/** Deaths that a statement may have caused; one that was killed from outside was not its victim. */
function isCrash({ signal }: ChildExit): boolean {
  return signal === 'SIGSEGV' || signal === 'SIGABRT' || signal === 'SIGBUS' || signal === 'SIGILL' || signal === 'SIGFPE'
}
