import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { entryPoint } from '../../src/model/entry-point.js'
import type { TaskEvent } from '../../src/model/lineage-event.js'
import {
  type FromNode,
  type NodeConfiguration,
  nodeEnvironment,
  type TaskInput,
  type TaskMessage,
  type TaskOutput,
  type ToNode,
} from '../../src/model/messages.js'
import type { BaseSegment, Column } from '../../src/model/segment.js'

type Outcome = Extract<FromNode, { type: 'finished' | 'failed' }>
type Finished = Extract<FromNode, { type: 'finished' }>
type Failed = Extract<FromNode, { type: 'failed' }>

/** A folder of its own below the system's temporary folder, with everything that a node needs. */
export function testFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'forebay-node-test-'))
  for (const name of ['lake', 'packs', 'checksums']) mkdirSync(join(path, name))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** A real node process, spoken to as the coordinator does. */
export class NodeUnderTest {
  readonly configuration: NodeConfiguration
  readonly child: ChildProcess
  readonly messages: FromNode[] = []
  readonly exited: Promise<readonly [number | null, NodeJS.Signals | null]>
  port = 0
  acknowledges = true
  #waiting: { readonly wants: (message: FromNode) => boolean; readonly resolve: (message: FromNode) => void }[] = []

  constructor(folder: string, overrides: Partial<NodeConfiguration> = {}) {
    const id = overrides.id ?? 'n1'
    this.configuration = {
      id,
      incarnation: 1,
      token: 'secret-token',
      folder: join(folder, id),
      readableFolders: [folder],
      writableFolders: [join(folder, 'packs')],
      checksumFolder: join(folder, 'checksums'),
      memoryBytes: 1 << 30,
      tempBytesMax: 1 << 30,
      threads: 2,
      ...overrides,
    }
    mkdirSync(this.configuration.folder, { recursive: true })
    this.child = fork(entryPoint('../../src/node/main.js', import.meta.url.replace('/test/', '/src/')), {
      serialization: 'advanced',
      env: { ...process.env, ...nodeEnvironment(this.configuration) },
      execArgv: [],
    })
    this.exited = once(this.child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
    this.child.on('message', (raw) => {
      const message = raw as FromNode
      if (message.type === 'ready') this.port = message.port
      if (message.type === 'lineage' && this.acknowledges) this.send({ type: 'lineage-acknowledged', batch: message.batch })
      this.messages.push(message)
      this.#waiting = this.#waiting.filter(({ wants, resolve }) => {
        if (!wants(message)) return true
        resolve(message)
        return false
      })
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  send(message: ToNode): void {
    if (this.child.connected) this.child.send(message)
  }

  /** The first message that fits, of those that came and those that will. */
  async next<T extends FromNode['type']>(
    type: T,
    fits: (message: Extract<FromNode, { type: T }>) => boolean = () => true,
  ): Promise<Extract<FromNode, { type: T }>> {
    type Wanted = Extract<FromNode, { type: T }>
    const wants = (message: FromNode): message is Wanted => message.type === type && fits(message as Wanted)
    const found = this.messages.find(wants)
    if (found !== undefined) return found as Wanted
    return new Promise((resolve) => this.#waiting.push({ wants, resolve: (message) => resolve(message as Wanted) }))
  }

  async ready(): Promise<void> {
    const exited = this.exited.then(([code, signal]) => {
      throw new Error(`the node ended before it was ready: ${code ?? signal}`)
    })
    await Promise.race([this.next('ready'), exited])
  }

  /** Runs a task to its outcome. */
  async outcome(message: TaskMessage): Promise<Outcome> {
    this.send({ type: 'run', task: message })
    const fits = (told: { taskId: string }): boolean => told.taskId === message.taskId
    return Promise.race([this.next('finished', fits), this.next('failed', fits)])
  }

  async finished(message: TaskMessage): Promise<Finished> {
    const outcome = await this.outcome(message)
    if (outcome.type === 'failed') throw new Error(`${outcome.error.code}: ${outcome.error.message}`)
    return outcome
  }

  async failed(message: TaskMessage): Promise<Failed> {
    const outcome = await this.outcome(message)
    if (outcome.type === 'finished') throw new Error('the task finished')
    return outcome
  }

  /** The lineage event of a task. */
  async event(message: TaskMessage): Promise<TaskEvent> {
    const id = `${message.taskId}#${message.attempt}`
    const batch = await this.next('lineage', (told) => told.events.some((candidate) => candidate.id === id))
    const event = batch.events.find((candidate) => candidate.id === id)
    if (event === undefined) throw new Error('no event')
    return event
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.disconnect()
    await this.exited
  }
}

let count = 0

/** A task with what does not matter filled in. */
export function task(
  sql: string,
  output: TaskOutput,
  inputs: readonly TaskInput[] = [],
  overrides: Partial<TaskMessage> = {},
): TaskMessage {
  const number = ++count
  return {
    taskId: `t${number}`,
    attempt: 1,
    queryId: `q${number}`,
    tenant: 'test',
    template: 'f',
    role: 'root',
    sql,
    inputs,
    output,
    transformation: { type: 'project', operators: [], shape: '0' },
    threads: 'one',
    timeZone: 'UTC',
    memoryBytes: 1 << 20,
    deadlineAt: Date.now() + 60_000,
    queuedAt: Date.now(),
    eventKind: 'task',
    ...overrides,
  }
}

/** Output for the client; `types` names the columns `c0`, `c1`, … unless they are given whole. */
export function toClient(columns: readonly Column[], overrides: Partial<Extract<TaskOutput, { to: 'client' }>> = {}): TaskOutput {
  return { to: 'client', format: 'json', columns, inlineBytesMax: 1 << 20, resultBytesMax: 1 << 30, ...overrides }
}

/** Rows of an inline JSON answer. */
export function jsonRowsOf(message: Finished): unknown[][] {
  if (message.result.to !== 'client' || message.result.inline === undefined) throw new Error('no inline answer')
  return JSON.parse(`[${Buffer.from(message.result.inline).toString()}]`) as unknown[][]
}

/** Runs SQL in a DuckDB of the test's own. */
export async function duckdb(sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** The base segment that is the whole of a Parquet file. */
export function baseSegment(path: string, rows: number, overrides: Partial<BaseSegment> = {}): BaseSegment {
  const { size, mtimeNs, ino } = statSync(path, { bigint: true })
  return {
    id: `s-${path.replace(/[^a-z0-9]/gi, '')}`,
    dataset: 'data',
    ordinal: 0,
    file: { path, size: Number(size), mtimeNs: String(mtimeNs), inode: String(ino), footerHash: '0' },
    rows,
    bytes: Number(size),
    columnBytes: {},
    partition: {},
    statistics: {},
    ...overrides,
  }
}

/** A base input that reads segments from Parquet. */
export function baseInput(
  relation: string,
  columns: readonly Column[],
  segments: readonly BaseSegment[],
  overrides: Partial<Extract<TaskInput, { kind: 'base' }>> = {},
): Extract<TaskInput, { kind: 'base' }> {
  return {
    kind: 'base',
    relation,
    dataset: 'data',
    snapshot: 'snap',
    columns,
    mixedSchemas: false,
    partitionColumns: [],
    parts: [{ from: 'parquet', segments, verify: [] }],
    ...overrides,
  }
}
