import { ForebayError } from '../../../model/errors.js'
import type { NodeId } from '../../../model/node.js'
import type { DeadLetter, DeadLetters } from '../../../queue/dead-letters.js'
import type { TaskOutcome } from '../../../scheduler/dispatcher.js'
import { elsewhere, runTask } from '../../../scheduler/run-task.js'
import type { EngineParts } from '../engine-parts.js'
import { resultStream } from '../run/result-stream.js'

/** A task of a dead letter that has finished after all. */
export interface Replayed {
  readonly id: string
  readonly node: NodeId
  readonly rows: number
  readonly wallMs: number
}

const replayMsMax = 300_000

/** Tasks that were given up: looked at, and run again on request. Their queries have failed long ago, so what is made is kept for the next ones. */
export class DeadTasks {
  readonly #letters: DeadLetters
  readonly #parts: EngineParts
  readonly #replaying = new Set<string>()

  constructor(letters: DeadLetters, parts: EngineParts) {
    this.#letters = letters
    this.#parts = parts
  }

  /** Oldest first. */
  list(): Promise<readonly DeadLetter[]> {
    return this.#letters.list()
  }

  /**
   * Runs a task again, with all its tries; its letter goes when it has finished. Rejects with what happened to it this time, or with
   * CONFLICT while it runs already, or DEADLINE_EXCEEDED.
   */
  async replay(id: string, signal: AbortSignal): Promise<Replayed> {
    if (this.#replaying.has(id)) throw new ForebayError('CONFLICT', `dead letter "${id}" is being replayed already`)
    this.#replaying.add(id)
    const late = new AbortController()
    const why = new ForebayError('DEADLINE_EXCEEDED', `the replay of "${id}" did not finish within ${replayMsMax} ms`)
    const deadline = setTimeout(() => late.abort(why), replayMsMax).unref()
    try {
      return await this.#replay(id, AbortSignal.any([signal, late.signal]))
    } finally {
      clearTimeout(deadline)
      this.#replaying.delete(id)
    }
  }

  async #replay(id: string, signal: AbortSignal): Promise<Replayed> {
    const letter = (await this.list()).find((each) => each.id === id)
    if (letter === undefined) {
      throw new ForebayError('NOT_FOUND', `there is no dead letter "${id}"`, { hint: 'GET /v1/dead-letters lists them' })
    }
    const { task } = letter
    if (task === undefined || task.output.to === 'table' || task.output.to === 'pack') {
      const why =
        task === undefined ? 'it is not a task' : `what it was to write (a ${task.output.to}) was given up with its query`
      throw new ForebayError('NOT_SUPPORTED', `dead letter "${id}" cannot be replayed: ${why}`, {
        hint: 'send the query again',
      })
    }
    const { pool, dispatcher, quarantine, derived, bury } = this.#parts
    const { attempt: _, queuedAt: __, ...draft } = { ...task, deadlineAt: Date.now() + replayMsMax }
    const node = elsewhere(await pool.want(1, false, signal), undefined, dispatcher)
    this.#parts.whenStored(task.taskId, (stored) => derived.add({ stored, covers: [], savedMs: 0 }))
    const outcome = await runTask(draft, node, {
      queryId: task.queryId,
      dispatcher,
      quarantine,
      priority: 'interactive',
      signal,
      statement: task.sql,
      readyNodes: (ready) => pool.want(1, false, ready),
      onAttempt: () => {},
      bury,
    })
    const { result, report } = outcome
    if (result.to === 'segment') derived.add({ stored: result.stored, covers: [], savedMs: report.wallMs })
    const made = await this.#made(outcome, signal)
    await this.#letters.remove(id)
    return { id, node: outcome.node, ...made }
  }

  /** A large answer is computed only as far as it is read. */
  async #made({ taskId, node, result, report }: TaskOutcome, signal: AbortSignal): Promise<Pick<Replayed, 'rows' | 'wallMs'>> {
    const { wallMs } = report
    if (result.to === 'segment') return { rows: result.stored.rows, wallMs }
    if (result.to !== 'client') throw new ForebayError('INTERNAL', `an answer came back as "${result.to}"`)
    if (result.streamPath === undefined) return { rows: result.rows, wallMs }
    const { pieces, ended } = await resultStream(this.#parts, node, result.streamPath, taskId, signal)
    ended.catch(() => {})
    for await (const _ of pieces) continue
    const { rows, report: last = report } = await ended
    return { rows, wallMs: last.wallMs }
  }
}
