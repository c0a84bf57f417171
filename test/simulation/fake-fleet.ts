import type { FleetListener, LossCause, NodeFleet } from '../../src/allocate/node-fleet.js'
import type { ProvisionedNode } from '../../src/allocate/provisioner.js'
import type { FromNode, TaskMessage, TaskReport, ToNode } from '../../src/model/messages.js'
import type { NodeState, NodeStatus } from '../../src/model/node.js'
import type { StoredSegment } from '../../src/model/segment.js'

interface Slot {
  state: NodeState
  incarnation: number
  readonly running: Map<string, TaskMessage>
}

const noReport: TaskReport = {
  cpuMs: 1,
  peakMemoryBytes: 1,
  wallMs: 1,
  queueMs: 0,
  transferMs: 0,
  bytesRead: 1,
  bytesMoved: 0,
  tiers: { pack: 0, parquet: 0, remote: 0, reused: 0 },
}

/**
 * Nodes without processes: a task's rows are the list of base segments that it stands for, so that an answer shows which
 * segments were used and how often. What happens next is for the simulation to say.
 */
export class FakeFleet implements NodeFleet {
  readonly sizesMemory = true
  readonly #slots: ReadonlyMap<string, Slot>
  readonly #listeners = new Set<FleetListener>()
  /** Rows by path: a spool outlives its process, unless the simulation takes it away. */
  readonly spool = new Map<string, readonly string[]>()
  /** Paths whose bytes have changed since: whoever reads one finds that by its checksum. */
  readonly flipped = new Set<string>()
  #files = 0
  readonly #slotsMax: number
  /** What no scheduler may do, and this one did. */
  readonly violations: string[] = []

  constructor(nodes: number, slotsMax: number) {
    this.#slotsMax = slotsMax
    this.#slots = new Map(
      Array.from({ length: nodes }, (_, index) => [`n${index + 1}`, { state: 'absent', incarnation: 0, running: new Map() }]),
    )
  }

  async start(node: string): Promise<void> {
    const slot = this.#slot(node)
    if (slot.state !== 'absent' && slot.state !== 'lost') return
    slot.incarnation += 1
    this.#enter(node, 'starting')
  }

  async stop(node: string): Promise<void> {
    const slot = this.#slot(node)
    if (slot.state !== 'ready') return
    this.#enter(node, 'draining')
    this.#leaveWhenIdle(node)
  }

  async observe(): Promise<readonly ProvisionedNode[]> {
    return []
  }

  nodes(): readonly NodeStatus[] {
    return [...this.#slots].map(([id, { state, incarnation, running }]) => ({
      id,
      kind: 'duckdb',
      state,
      incarnation,
      roles: [],
      cpuSeconds: 0,
      memoryBytes: 0,
      memoryLimitBytes: 0,
      warmBytes: 0,
      runningTasks: running.size,
    }))
  }

  send(node: string, message: ToNode): boolean {
    const slot = this.#slot(node)
    if (slot.state !== 'ready' && slot.state !== 'draining') return false
    if (message.type === 'run') {
      const { taskId } = message.task
      if (slot.state === 'draining') this.violations.push(`${taskId} was given to ${node}, which drains`)
      if (slot.running.has(taskId)) this.violations.push(`${taskId} was given to ${node} twice at once`)
      if (slot.running.size >= this.#slotsMax) this.violations.push(`${node} was given more than ${this.#slotsMax} tasks`)
      slot.running.set(taskId, message.task)
    }
    if (message.type === 'cancel') {
      const task = slot.running.get(message.taskId)
      slot.running.delete(message.taskId)
      const { incarnation } = slot
      if (task !== undefined) {
        queueMicrotask(() => {
          this.say(node, failed(task, incarnation, 'CANCELLED', 'cancelled'), incarnation)
          this.#leaveWhenIdle(node)
        })
      }
    }
    return true
  }

  kill(node: string): void {
    this.die(node, 'killed')
  }

  subscribe(listener: FleetListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {}

  // What the simulation makes happen.

  starting(): readonly string[] {
    return this.#inState('starting')
  }

  gone(): readonly string[] {
    return [...this.#inState('lost'), ...this.#inState('absent')]
  }

  busy(): readonly { readonly node: string; readonly task: TaskMessage }[] {
    return [...this.#slots].flatMap(([node, slot]) => [...slot.running.values()].map((task) => ({ node, task })))
  }

  becomeReady(node: string): void {
    this.#enter(node, 'ready')
  }

  /** A running task ends; `again` repeats the message, as a fenced late answer would. */
  finish(node: string, task: TaskMessage): void {
    const slot = this.#slot(node)
    slot.running.delete(task.taskId)
    this.say(node, this.#outcome(node, slot.incarnation, task))
    this.#leaveWhenIdle(node)
  }

  /** An answer of an older attempt or process arrives. */
  sayLate(node: string, task: TaskMessage): void {
    this.say(node, this.#outcome(node, this.#slot(node).incarnation - 1, { ...task, attempt: task.attempt }))
  }

  /** A node does not take a task that it was given. */
  refuse(node: string, task: TaskMessage, why: string): void {
    const slot = this.#slot(node)
    if (!slot.running.delete(task.taskId)) return
    this.say(node, failed(task, slot.incarnation, 'UNAVAILABLE', `${node} takes no task: ${why}`))
    this.#leaveWhenIdle(node)
  }

  die(node: string, cause: LossCause): void {
    const slot = this.#slot(node)
    if (slot.state === 'absent' || slot.state === 'lost') return
    slot.running.clear()
    slot.state = 'lost'
    const loss = { node, incarnation: slot.incarnation, cause, message: `${node} died` }
    for (const listener of this.#listeners) listener.changed(this.#status(node))
    for (const listener of this.#listeners) listener.lost(loss)
  }

  #outcome(node: string, incarnation: number, task: TaskMessage): FromNode {
    const rows: string[] = []
    for (const input of task.inputs) {
      if (input.kind === 'base') rows.push(...input.parts.flatMap((part) => part.segments.map((segment) => segment.id)))
      else {
        for (const { stored } of input.sources) {
          const found = this.spool.get(stored.path)
          if (found === undefined) return failed(task, incarnation, 'UNAVAILABLE', `segment "${stored.id}" is gone`)
          if (this.flipped.has(stored.path))
            return failed(task, incarnation, 'CHECKSUM_MISMATCH', `segment "${stored.id}" has changed`)
          rows.push(...found)
        }
      }
    }
    const { taskId, attempt, output } = task
    const base = { type: 'finished', taskId, attempt, incarnation, report: noReport } as const
    if (output.to === 'client')
      return { ...base, result: { to: 'client', rows: rows.length, inline: Buffer.from(JSON.stringify(rows)) } }
    const path = `/${node}/${++this.#files}`
    this.spool.set(path, rows)
    const id = output.to === 'segment' ? output.segment : ''
    const stored: StoredSegment = {
      id,
      node,
      path,
      carrier: 'parquet',
      columns: [],
      rows: rows.length,
      bytes: rows.length,
      crc32: 0,
    }
    return { ...base, result: { to: 'segment', stored } }
  }

  /** A message of a process arrives, also one of a process that is no more. */
  say(node: string, message: FromNode, incarnation = this.incarnation(node)): void {
    for (const listener of this.#listeners) listener.message(node, incarnation, message)
  }

  incarnation(node: string): number {
    return this.#slot(node).incarnation
  }

  /** A process that drains ends with the last of its tasks, and at once when it has none. */
  #leaveWhenIdle(node: string): void {
    const { state, running } = this.#slot(node)
    if (state === 'draining' && running.size === 0) this.#enter(node, 'absent')
  }

  #enter(node: string, state: NodeState): void {
    this.#slot(node).state = state
    for (const listener of this.#listeners) listener.changed(this.#status(node))
  }

  #status(node: string): NodeStatus {
    const status = this.nodes().find((each) => each.id === node)
    if (status === undefined) throw new Error(`no node ${node}`)
    return status
  }

  #slot(node: string): Slot {
    const slot = this.#slots.get(node)
    if (slot === undefined) throw new Error(`no node ${node}`)
    return slot
  }

  #inState(state: NodeState): readonly string[] {
    return [...this.#slots].filter(([, slot]) => slot.state === state).map(([node]) => node)
  }
}

function failed(
  task: TaskMessage,
  incarnation: number,
  code: 'CANCELLED' | 'UNAVAILABLE' | 'CHECKSUM_MISMATCH',
  message: string,
): FromNode {
  const { taskId, attempt } = task
  return { type: 'failed', taskId, attempt, incarnation, error: { code, message }, report: noReport }
}
