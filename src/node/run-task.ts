/**
 * One task from its message to its outcome: inputs here, one statement, one output, unchanged inputs. Then, after the outcome has
 * been sent: everything released, the answer kept as a segment where that is worth it, and the lineage event.
 */
import { rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { ForebayError, toErrorRecord } from '../model/errors.js'
import type { LineageOutput, TaskEvent } from '../model/lineage-event.js'
import type { FromNode, NodeConfiguration, TaskMessage, TaskReport, TaskResult } from '../model/messages.js'
import { bytesMoved, captureReads, openTransferLog, type TransferLog } from '../transfer/capture-transfer.js'
import { type Answer, answerClient, type ClientOutput } from './answer-client.js'
import type { AnswerKeeper } from './answer-keeper.js'
import { type ErrorScene, fromDuckDBError } from './duckdb-error.js'
import { findBrokenFile } from './find-broken-file.js'
import type { Instance } from './instance.js'
import type { LineageOutbox } from './lineage-outbox.js'
import { packOrdinal, publishPack } from './publish-pack.js'
import { publishSegment } from './publish-segment.js'
import { publishTable } from './publish-table.js'
import { withRelations } from './relations.js'
import type { ResultStreams } from './result-streams.js'
import type { RunningTask } from './running-task.js'
import type { Session } from './session.js'
import type { Share, Shares } from './shares.js'
import { storeAnswer } from './store-answer.js'
import { type InputTools, prepareInputs, type ReadyInputs } from './task-inputs.js'

/** What tasks run with. */
export interface TaskTools extends InputTools {
  readonly configuration: NodeConfiguration
  readonly instanceFor: (threads: 'one' | 'all') => Promise<Instance>
  readonly shares: Shares
  readonly outbox: LineageOutbox
  readonly answers: AnswerKeeper
  readonly results: ResultStreams
  readonly send: (message: FromNode) => void
  /** Told of every error, before it is reported. */
  readonly onError: (error: unknown) => void
}

/** Runs a task to its end and reports it; never rejects. */
export async function runTask(task: RunningTask, tools: TaskTools, share: Share): Promise<void> {
  const run = new TaskRun(task, tools, share)
  try {
    await run.run()
  } catch (error) {
    tools.onError(error)
    await run.fail(error)
  } finally {
    task.end()
    await run.close()
  }
}

class TaskRun {
  readonly #task: RunningTask
  readonly #tools: TaskTools
  readonly #share: Share
  readonly #log: TransferLog
  readonly #queueMicros: number
  #instance: Instance | undefined
  #session: Session | undefined
  #inputs: ReadyInputs | undefined
  #sound = false
  #reported = false
  #streamedRows = 0

  constructor(task: RunningTask, tools: TaskTools, share: Share) {
    this.#task = task
    this.#tools = tools
    this.#share = share
    this.#log = openTransferLog(tools.configuration.id)
    this.#queueMicros = Math.max(0, Math.round((Date.now() - task.message.queuedAt) * 1000))
  }

  async run(): Promise<void> {
    const { message } = this.#task
    const { output } = message
    this.#instance = await this.#tools.instanceFor(message.threads)
    this.#session = await this.#instance.acquire(message.timeZone, lastingAnswer(message))
    this.#task.use(this.#session)
    this.#task.throwIfStopped()
    const ordinal = output.to === 'pack' ? packOrdinal(output.pack) : undefined
    this.#inputs = await prepareInputs(this.#task, this.#session, this.#instance, this.#tools, this.#log, ordinal)
    this.#task.throwIfStopped()
    const sql = withRelations(message.sql, this.#inputs.relations)
    if (output.to === 'client') await this.#answer(this.#session, sql, output)
    else await this.#publish(this.#session, sql)
    this.#sound = true
  }

  async #publish(session: Session, sql: string): Promise<void> {
    const { output, taskId, attempt } = this.#task.message
    const { spool, configuration } = this.#tools
    const result = await this.#reading(async (): Promise<TaskResult> => {
      switch (output.to) {
        case 'segment': {
          const stored = await publishSegment(session, spool, configuration.id, output.segment, sql, output.columns)
          return { to: 'segment', stored }
        }
        case 'pack':
          return { to: 'pack', pack: await publishPack(session, output, sql) }
        case 'table':
          return publishTable(session, output, sql, `${taskId}#${attempt}`)
        default:
          throw new ForebayError('INTERNAL', 'an answer is not published')
      }
    })
    try {
      await this.#inputs?.checkUnchanged()
      this.#task.throwIfStopped()
    } catch (error) {
      await this.#withdraw(result)
      throw error
    }
    this.#finish(result)
    this.#record(lineageOutput(result))
  }

  /** Removes what was published: of a task that fails nobody learns its path. */
  async #withdraw(result: TaskResult): Promise<void> {
    if (result.to === 'segment') await this.#tools.spool.drop([basename(result.stored.path)])
    if (result.to === 'pack') await rm(result.pack.path, { force: true })
  }

  async #answer(session: Session, sql: string, output: ClientOutput): Promise<void> {
    const temporary = this.#tools.spool.passingPath('result.parquet')
    try {
      await this.#answerBy(temporary, session, sql, output)
    } finally {
      if (output.format === 'parquet') await rm(temporary, { force: true })
    }
  }

  async #answerBy(temporary: string, session: Session, sql: string, output: ClientOutput): Promise<void> {
    const { message } = this.#task
    const statement = { sql, isSmall: isSmallAnswer(message, output), answer: lastingAnswer(message) }
    const answer = await this.#reading(() =>
      answerClient(session, statement, output, temporary, () => this.#task.throwIfStopped()),
    )
    this.#task.throwIfStopped()
    if (answer.size === 'large') return this.#stream(answer, output)
    await this.#inputs?.checkUnchanged()
    this.#task.throwIfStopped()
    this.#finish({ to: 'client', rows: answer.rows, inline: answer.inline })
    this.#keep(answer, output)
  }

  /** Hands a small answer's rows on to be kept for later queries; its lineage event says whether they were. */
  #keep({ rows, inline, encoded }: Extract<Answer, { size: 'small' }>, { columns, segment }: ClientOutput): void {
    const { spool, configuration, answers, send } = this.#tools
    const { taskId } = this.#task.message
    if (segment === undefined) return this.#record(undefined)
    const event = this.#event()
    const record = (location: string): void =>
      this.#tools.outbox.add({ ...event, output: { segment, rows, bytes: inline.length, location } })
    const instance = this.#instance
    if (instance === undefined || encoded === undefined || this.#task.reason !== undefined) return record('')
    answers.take({
      bytes: inline.length,
      wallMs: performance.now() - this.#task.startedAt,
      store: () => storeAnswer(instance, spool, configuration.id, segment, columns, encoded),
      settle: (stored) => {
        if (stored !== undefined) send({ type: 'stored', taskId, stored })
        record(stored?.path ?? '')
      },
    })
  }

  /** Offers a large answer and waits until it has been read, or broken off. */
  async #stream(answer: Extract<Answer, { size: 'large' }>, output: ClientOutput): Promise<void> {
    const { taskId } = this.#task.message
    const { results, send } = this.#tools
    const ended = results.offer(taskId, answer.source, this.#task.signal, (reason) => this.#task.stop(reason))
    this.#finish({ to: 'client', rows: answer.rows(), streamPath: `/results/${encodeURIComponent(taskId)}` })
    try {
      const bytes = await ended
      this.#streamedRows = answer.rows()
      await this.#inputs?.checkUnchanged()
      const { segment } = output
      this.#record(segment === undefined ? undefined : { segment, rows: answer.rows(), bytes, location: '' })
      send({ type: 'stream-ended', taskId, rows: answer.rows(), bytes, report: this.#report() })
    } catch (error) {
      this.#streamedRows = answer.rows()
      throw error
    }
  }

  #reading<T>(run: () => Promise<T>): Promise<T> {
    const moves = this.#inputs?.baseMoves ?? []
    return captureReads(this.#log, moves, run)
  }

  #finish(result: TaskResult): void {
    const { taskId, attempt } = this.#task.message
    const { incarnation } = this.#tools.configuration
    this.#tools.send({ type: 'finished', taskId, attempt, incarnation, result, report: this.#report() })
    this.#reported = true
  }

  /** Reports the failure: as the task's outcome, or as the end of its stream when the outcome has gone out. */
  async fail(thrown: unknown): Promise<void> {
    const { taskId, attempt } = this.#task.message
    const error = toErrorRecord(this.#task.reason ?? (await this.#explain(thrown)))
    // What was moved for it was moved, and what it cost was spent.
    if (this.#log.transfers.length > 0 || this.#log.baseReads.length > 0) this.#record(undefined)
    if (this.#reported) {
      this.#tools.send({ type: 'stream-ended', taskId, rows: this.#streamedRows, bytes: 0, error, report: this.#report() })
      return
    }
    const { incarnation } = this.#tools.configuration
    this.#tools.send({ type: 'failed', taskId, attempt, incarnation, error, report: this.#report() })
  }

  /** The failure in our own words. Where one of several files must be the broken one, it is looked for. */
  async #explain(thrown: unknown): Promise<ForebayError> {
    const scene: ErrorScene = this.#inputs?.scene ?? sceneOf(thrown)
    const error = fromDuckDBError(thrown, scene)
    const isNamed =
      scene.files.length < 2 ||
      scene.files.some((file) => error.message.includes(`"${file}"`) && String(thrown).includes(basename(file)))
    if (error.code !== 'FILE_UNREADABLE' || isNamed || this.#session === undefined) return error
    const found = await findBrokenFile(this.#session, scene.files, this.#task.signal)
    return found === undefined ? error : fromDuckDBError(found.error, { files: [found.path], derived: [], packs: [] })
  }

  #report(): TaskReport {
    const { cpuMicros, peakMemoryBytes } = this.#share.used()
    const tiers = { pack: 0, parquet: 0, remote: 0, reused: 0 }
    for (const move of this.#inputs?.baseMoves ?? []) tiers[move.tier] += move.segments.length
    for (const read of this.#log.derivedReads) tiers[read.tier]++
    return {
      cpuMs: cpuMicros / 1000,
      peakMemoryBytes,
      wallMs: performance.now() - this.#task.startedAt,
      queueMs: this.#queueMicros / 1000,
      transferMs: this.#log.transfers.reduce((sum, transfer) => sum + transfer.micros, 0) / 1000,
      bytesRead: [...this.#log.baseReads, ...this.#log.derivedReads].reduce((sum, read) => sum + read.bytes, 0),
      bytesMoved: bytesMoved(this.#log),
      tiers,
    }
  }

  #record(output: LineageOutput | undefined): void {
    const event = this.#event()
    this.#tools.outbox.add(output === undefined ? event : { ...event, output })
  }

  /** The lineage event of what has been done so far, but for its output. */
  #event(): TaskEvent {
    const { message } = this.#task
    const { configuration } = this.#tools
    const { cpuMicros, peakMemoryBytes } = this.#share.used()
    this.#noteResidency()
    return {
      kind: message.eventKind,
      id: `${message.taskId}#${message.attempt}`,
      at: Date.now() * 1000,
      queryId: message.queryId,
      tenant: message.tenant,
      template: message.template,
      node: configuration.id,
      incarnation: configuration.incarnation,
      role: message.role,
      transformation: message.transformation,
      baseReads: this.#log.baseReads,
      derivedReads: this.#log.derivedReads,
      transfers: this.#log.transfers,
      cost: {
        cpuMicros,
        peakMemoryBytes,
        queueMicros: this.#queueMicros,
        wallMicros: Math.round((performance.now() - this.#task.startedAt) * 1000),
      },
    }
  }

  #noteResidency(): void {
    for (const input of this.#task.message.inputs) {
      if (input.kind !== 'base') continue
      const columns = input.columns.map((column) => column.name)
      for (const part of input.parts) if (part.from === 'pack') this.#tools.residency.note(part.pack, columns)
    }
  }

  /** Gives back whatever the task held. */
  async close(): Promise<void> {
    this.#share.stop()
    try {
      await this.#inputs?.release()
    } finally {
      if (this.#session !== undefined) this.#instance?.release(this.#session, this.#sound)
    }
  }
}

const smallBytesMax = 1 << 20
/** So few rows are computed at once: over Parquet a streamed statement is bound twice, a millisecond, and 20 for averages that are merged. */
const smallRowsMax = 1_000

function isSmallAnswer(message: TaskMessage, { rowsMax = Number.POSITIVE_INFINITY }: ClientOutput): boolean {
  return rowsMax <= smallRowsMax || isReusedAnswer(message)
}

/** Names the answer for the client, where it is made of packs alone, which never become others. */
function lastingAnswer({ inputs, output }: TaskMessage): string | undefined {
  const readsPacksAlone = inputs.every((input) => input.kind === 'base' && input.parts.every((part) => part.from === 'pack'))
  return output.to === 'client' && readsPacksAlone ? output.segment : undefined
}

/** True for a stored answer that is given again as it is. */
function isReusedAnswer({ sql, inputs }: TaskMessage): boolean {
  const [input] = inputs
  if (inputs.length !== 1 || input?.kind !== 'derived' || !/^\s*SELECT \* FROM "?__partials"?\s*;?\s*$/i.test(sql)) return false
  return input.sources.reduce((sum, source) => sum + source.stored.bytes, 0) <= smallBytesMax
}

function lineageOutput(result: TaskResult): LineageOutput | undefined {
  if (result.to !== 'segment') return undefined
  const { id, rows, bytes, path } = result.stored
  return { segment: id, rows, bytes, location: path }
}

function sceneOf(thrown: unknown): ErrorScene {
  if (typeof thrown === 'object' && thrown !== null && 'scene' in thrown) return thrown.scene as ErrorScene
  return { files: [], derived: [], packs: [] }
}
