/** Waits for what nodes say besides the outcomes of tasks. Every wait ends: with the answer, with the node's end, or in time. */
import type { NodeFleet } from '../../../allocate/node-fleet.js'
import { ForebayError, fileUnreadable, fromErrorRecord } from '../../../model/errors.js'
import type { FromNode } from '../../../model/messages.js'
import type { NodeId } from '../../../model/node.js'
import type { BaseSegment, Pack, PackId, StoredSegment } from '../../../model/segment.js'
import type { StreamEnd } from '../engine-parts.js'

interface Wait {
  readonly node: NodeId
  /** True when this message is the awaited one. */
  readonly take: (message: FromNode) => boolean
  readonly lost: (message: string) => void
}

const detachMsMax = 5_000
const warmMsMax = 120_000
const checksumMsMax = 120_000
const storedMsMax = 60_000
const earlyMsMax = 5_000

export class NodeReplies {
  readonly #fleet: NodeFleet
  readonly #waits = new Set<Wait>()
  /** By task, oldest first. Forgotten with the next one, when their time is over: each query would have a timer for a minute. */
  readonly #stored = new Map<string, { readonly take: (stored: StoredSegment) => void; readonly until: number }>()
  /** Came before anybody asked: a broker hands over what came together in one go. */
  readonly #early = new Map<string, { readonly stored: StoredSegment; readonly until: number }>()
  /** Ends of streams by task: whoever wants to know may ask a moment later. */
  readonly #ends = new Map<string, { readonly end: StreamEnd; readonly until: number }>()
  #requests = 0

  constructor(fleet: NodeFleet) {
    this.#fleet = fleet
    fleet.subscribe({
      message: (node, _, message) => this.#receive(node, message),
      changed: (status) => {
        if (status.state === 'absent' || status.state === 'starting') this.#lost(status.id, `${status.id} was stopped`)
      },
      lost: (loss) => this.#lost(loss.node, loss.message),
    })
  }

  /** The answer of a task is stored after its outcome, if it is small; otherwise `take` is never called. */
  whenStored(taskId: string, take: (stored: StoredSegment) => void): void {
    const early = this.#early.get(taskId)
    if (early !== undefined && this.#early.delete(taskId)) return take(early.stored)
    forgetOld(this.#stored)
    this.#stored.set(taskId, { take, until: performance.now() + storedMsMax })
  }

  /** The end of a streamed answer. Rejects with NODE_LOST when its node ends before. */
  streamEnd(node: NodeId, taskId: string): Promise<StreamEnd> {
    const known = this.#ends.get(taskId)
    if (known !== undefined) return Promise.resolve(known.end)
    return this.#reply(node, undefined, (message) =>
      message.type === 'stream-ended' && message.taskId === taskId ? message : undefined,
    )
  }

  /** Resolves when no node has the packs attached, or does not say in time; deleting an open file does no harm. */
  async detachPacks(packs: readonly PackId[]): Promise<void> {
    const ready = this.#fleet.nodes().filter((node) => node.state === 'ready')
    await Promise.allSettled(
      ready.map(({ id }) => {
        const reply = this.#reply(id, detachMsMax, (message) => (message.type === 'packs-detached' ? true : undefined))
        this.#fleet.send(id, { type: 'detach-packs', packs })
        return reply
      }),
    )
  }

  /** Reads a pack's blocks into a node's buffers. */
  async warmPack(
    pack: Pack,
    node: NodeId,
    columns: readonly string[],
  ): Promise<{ readonly bytes: number; readonly cpuMs: number }> {
    const reply = this.#reply(node, warmMsMax, (message) =>
      message.type === 'warmed' && message.pack === pack.id ? { bytes: message.bytes, cpuMs: message.cpuMs } : undefined,
    )
    this.#send(node, { type: 'warm-pack', pack, columns })
    return reply
  }

  /** Has a node record the checksums of columns of a file. */
  async recordChecksums(node: NodeId, segment: BaseSegment, columns: readonly string[]): Promise<void> {
    const requestId = `c${++this.#requests}`
    const reply = this.#reply(node, checksumMsMax, (message) =>
      message.type === 'checksums' && message.requestId === requestId ? message : undefined,
    )
    this.#send(node, { type: 'record-checksums', requestId, segment, columns })
    const { ok, error } = await reply
    if (ok) return
    throw error === undefined ? fileUnreadable(`no checksums of "${segment.file.path}"`) : fromErrorRecord(error)
  }

  #send(node: NodeId, message: Parameters<NodeFleet['send']>[1]): void {
    if (!this.#fleet.send(node, message)) this.#lost(node, `${node} is not there`)
  }

  #reply<T>(node: NodeId, ms: number | undefined, pick: (message: FromNode) => T | undefined): Promise<T> {
    const reply = new Promise<T>((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#waits.delete(wait)
      }
      const wait: Wait = {
        node,
        take: (message) => {
          const picked = pick(message)
          if (picked === undefined) return false
          end()
          resolve(picked)
          return true
        },
        lost: (message) => {
          end()
          reject(new ForebayError('NODE_LOST', message))
        },
      }
      const timer = ms === undefined ? undefined : setTimeout(() => wait.lost(`${node} did not answer within ${ms} ms`), ms)
      timer?.unref()
      this.#waits.add(wait)
    })
    reply.catch(() => {})
    return reply
  }

  #receive(node: NodeId, message: FromNode): void {
    if (message.type === 'stored') {
      const asked = this.#stored.get(message.taskId)
      this.#stored.delete(message.taskId)
      if (asked !== undefined) return asked.take(message.stored)
      forgetOld(this.#early)
      this.#early.set(message.taskId, { stored: message.stored, until: performance.now() + earlyMsMax })
      return
    }
    if (message.type === 'stream-ended') {
      forgetOld(this.#ends)
      this.#ends.set(message.taskId, { end: message, until: performance.now() + earlyMsMax })
    }
    for (const wait of this.#waits) {
      if (wait.node !== node || !wait.take(message)) continue
      // Its reader waits for the end of a stream, and so does whoever holds what it is read from; other answers are one wait's.
      if (message.type !== 'stream-ended') return
    }
  }

  #lost(node: NodeId, message: string): void {
    for (const wait of this.#waits) if (wait.node === node) wait.lost(message)
  }
}

function forgetOld(waiting: Map<string, { readonly until: number }>): void {
  const now = performance.now()
  for (const [taskId, { until }] of waiting) {
    if (until > now) return
    waiting.delete(taskId)
  }
}
