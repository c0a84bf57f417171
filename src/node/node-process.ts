/** The node: what it does with each message of the coordinator, and what it says unasked. */
import { version } from '@duckdb/node-api'
import { ForebayError, toErrorRecord } from '../model/errors.js'
import {
  type FromNode,
  memoryExceededSignal,
  type NodeConfiguration,
  type TaskId,
  type TaskMessage,
  type ToNode,
} from '../model/messages.js'
import type { Pack } from '../model/segment.js'
import { openSegmentBringer } from '../transfer/bring-segment.js'
import { ColumnChecksums } from '../transfer/column-checksums.js'
import { AnswerKeeper } from './answer-keeper.js'
import { readChunkPlaces } from './chunk-places.js'
import { isFatal } from './duckdb-error.js'
import { FileRows } from './file-rows.js'
import { Instance } from './instance.js'
import { instanceLimits, processLimitBytes } from './limits.js'
import { LineageOutbox } from './lineage-outbox.js'
import { startMemoryWatch } from './memory-watch.js'
import { ReadPaths } from './read-paths.js'
import { Residency } from './residency.js'
import { ResultStreams } from './result-streams.js'
import { runTask, type TaskTools } from './run-task.js'
import { RunningTask } from './running-task.js'
import { startSegmentServer } from './segment-server.js'
import { type Share, Shares } from './shares.js'
import { Spool } from './spool.js'
import { warmPack } from './warm-pack.js'

const vitalSignsEveryMs = 1_000

interface Active {
  readonly task: RunningTask
  readonly share: Share
}

/** A node that has started: it takes messages until the process ends. */
export class NodeProcess {
  readonly #configuration: NodeConfiguration
  readonly #send: (message: FromNode) => void
  readonly #active = new Map<TaskId, Active>()
  readonly #instances = new Map<'one' | 'all', Promise<Instance>>()
  readonly #packs = new Map<string, string>()
  readonly #spool: Spool
  readonly #tools: TaskTools
  #draining = false
  #warmBytes = 0

  private constructor(configuration: NodeConfiguration, spool: Spool, send: (message: FromNode) => void) {
    this.#configuration = configuration
    this.#spool = spool
    this.#send = send
    this.#tools = {
      configuration,
      spool,
      send,
      bringer: openSegmentBringer(configuration.token),
      checksums: new ColumnChecksums(configuration.checksumFolder),
      fileRows: new FileRows(),
      readPaths: new ReadPaths(),
      residency: new Residency(),
      shares: new Shares(),
      outbox: new LineageOutbox((batch, events) => send({ type: 'lineage', batch, events })),
      answers: new AnswerKeeper(() => this.#active.size > 0),
      results: new ResultStreams(),
      instanceFor: (threads) => this.#instance(threads),
      onError: (error) => this.#onError(error),
    }
  }

  /** Opens everything that a first task needs, says `ready`, and then opens the rest. */
  static async start(configuration: NodeConfiguration, send: (message: FromNode) => void): Promise<NodeProcess> {
    const { folder, incarnation, tempBytesMax } = configuration
    const spool = await Spool.open(folder, incarnation, tempBytesMax)
    const node = new NodeProcess(configuration, spool, send)
    const [server] = await Promise.all([
      startSegmentServer(configuration.token, spool, node.#tools.results),
      node.#instance('one'),
    ])
    startMemoryWatch(processLimitBytes(configuration), node.#tools.shares, {
      relieve: () => void node.#relieve(),
      stopLargest: (bytes) => node.#stopLargest(bytes),
      end: () => process.kill(process.pid, memoryExceededSignal),
    })
    setInterval(() => void node.#sendVitalSigns(), vitalSignsEveryMs)
    send({ type: 'ready', port: server.port, pid: process.pid, engineVersion: version() })
    setImmediate(() => node.#instance('all').catch(() => undefined))
    return node
  }

  /** Takes one message. */
  receive(message: ToNode): void {
    switch (message.type) {
      case 'run':
        void this.#run(message.task)
        return
      case 'cancel':
        this.#active.get(message.taskId)?.task.stop(new ForebayError('CANCELLED', 'the query was cancelled'))
        return
      case 'drop-segments':
        void this.#spool.drop(message.segments)
        return
      case 'detach-packs':
        void this.#detachPacks(message.packs)
        return
      case 'warm-pack':
        void this.#warm(message.pack, message.columns)
        return
      case 'record-checksums':
        void this.#recordChecksums(message)
        return
      case 'lineage-acknowledged':
        this.#tools.outbox.acknowledge(message.batch)
        return
      case 'drain':
        this.#draining = true
        void this.#sayDrained()
        return
      case 'ping':
        this.#send({ type: 'pong', nonce: message.nonce })
    }
  }

  async #run(message: TaskMessage): Promise<void> {
    const refusal = this.#refusal(message)
    if (refusal !== undefined) {
      this.#refuse(message, refusal)
      return
    }
    for (const input of message.inputs) {
      if (input.kind === 'base')
        for (const part of input.parts) if (part.from === 'pack') this.#packs.set(part.pack.id, part.pack.path)
    }
    const share = this.#tools.shares.start(message.threads === 'all' ? this.#configuration.threads : 1)
    const task = new RunningTask(message, () => process.kill(process.pid, 'SIGKILL'))
    this.#active.set(message.taskId, { task, share })
    this.#tools.answers.busy()
    try {
      await runTask(task, this.#tools, share)
    } finally {
      this.#active.delete(message.taskId)
      this.#tools.answers.busy()
      if (this.#draining) await this.#sayDrained()
    }
  }

  #refusal(message: TaskMessage): ForebayError | undefined {
    if (this.#draining) return new ForebayError('UNAVAILABLE', `node ${this.#configuration.id} takes no more tasks`)
    if (this.#active.has(message.taskId)) return new ForebayError('CONFLICT', `task "${message.taskId}" runs already`)
    if (this.#tools.outbox.isFull) {
      return new ForebayError('UNAVAILABLE', `node ${this.#configuration.id} has too many lineage events that nobody has taken`)
    }
    return undefined
  }

  #refuse(message: TaskMessage, error: ForebayError): void {
    const { taskId, attempt } = message
    const report = { cpuMs: 0, peakMemoryBytes: 0, wallMs: 0, queueMs: 0, transferMs: 0, bytesRead: 0, bytesMoved: 0 }
    this.#send({
      type: 'failed',
      taskId,
      attempt,
      incarnation: this.#configuration.incarnation,
      error: toErrorRecord(error),
      report: { ...report, tiers: { pack: 0, parquet: 0, remote: 0, reused: 0 } },
    })
  }

  /** With one thread both classes are the same instance, and share its buffers. */
  #instance(threads: 'one' | 'all'): Promise<Instance> {
    const key = this.#configuration.threads === 1 ? 'one' : threads
    let instance = this.#instances.get(key)
    if (instance === undefined) {
      instance = Instance.open(instanceLimits(this.#configuration, key))
      this.#instances.set(key, instance)
    }
    return instance
  }

  /** An instance that took a fatal error answers nothing any more: the process ends, after its last words have gone out. */
  #onError(error: unknown): void {
    if (isFatal(error)) setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50)
  }

  async #openInstances(): Promise<readonly Instance[]> {
    return Promise.all(this.#instances.values())
  }

  async #relieve(): Promise<void> {
    for (const instance of await this.#openInstances()) if (await instance.shrink()) this.#tools.residency.clear()
  }

  #stopLargest(bytes: number): void {
    const [largest] = [...this.#active.values()].sort((a, b) => b.share.heldBytes() - a.share.heldBytes())
    const text = `node ${this.#configuration.id} reached its memory limit (${bytes} bytes) while it ran this query`
    largest?.task.stop(
      new ForebayError('MEMORY_EXCEEDED', text, { hint: 'give the nodes more with --memory, or read less at once' }),
    )
  }

  async #detachPacks(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const path = this.#packs.get(id)
      this.#packs.delete(id)
      this.#tools.residency.forget(id)
      if (path === undefined) continue
      for (const instance of await this.#openInstances()) await instance.attachments.drop(path)
    }
    this.#send({ type: 'packs-detached', packs: ids })
  }

  async #warm(pack: Pack, columns: readonly string[]): Promise<void> {
    this.#packs.set(pack.id, pack.path)
    const before = process.cpuUsage()
    try {
      const bytes = await warmPack(await this.#instance('one'), pack, columns)
      this.#tools.residency.note(pack, columns)
      const { user, system } = process.cpuUsage(before)
      this.#send({ type: 'warmed', pack: pack.id, bytes, cpuMs: (user + system) / 1000 })
    } catch {
      this.#send({ type: 'warmed', pack: pack.id, bytes: 0, cpuMs: 0 })
    }
  }

  async #recordChecksums(message: Extract<ToNode, { type: 'record-checksums' }>): Promise<void> {
    const { requestId, segment, columns } = message
    try {
      const instance = await this.#instance('one')
      await this.#tools.checksums.record(segment, columns, () =>
        readChunkPlaces(instance, this.#tools.readPaths.of(segment.file)),
      )
      this.#send({ type: 'checksums', requestId, ok: true })
    } catch (error) {
      this.#send({ type: 'checksums', requestId, ok: false, error: toErrorRecord(error) })
    }
  }

  async #sayDrained(): Promise<void> {
    if (this.#active.size > 0) return
    await this.#tools.answers.flush()
    await this.#tools.outbox.drained()
    // What it used since it last said so would be lost with it.
    await this.#sendVitalSigns()
    this.#send({ type: 'drained' })
  }

  async #sendVitalSigns(): Promise<void> {
    const { user, system } = process.cpuUsage()
    const instances = await this.#openInstances()
    if (this.#active.size === 0) this.#warmBytes = await bufferBytes(instances)
    // Listed last: a pack that was read while the rest was asked for has been reported by now, and must not be missing here.
    const attached = [...this.#packs].filter(([, path]) => instances.some((instance) => instance.attachments.has(path)))
    this.#send({
      type: 'vital-signs',
      cpuSeconds: (user + system) / 1e6,
      memoryBytes: process.memoryUsage.rss(),
      runningTasks: this.#active.size,
      attachedPacks: attached.map(([id]) => id),
      warmBytes: this.#warmBytes,
    })
  }
}

async function bufferBytes(instances: readonly Instance[]): Promise<number> {
  let bytes = 0
  for (const instance of instances) bytes += await instance.bufferBytes().catch(() => 0)
  return bytes
}
