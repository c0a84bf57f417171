/**
 * Nodes as machines of a group whose size is set. What is wanted is a set of slots `n1`, `n2`, …; what there is, is asked anew each
 * time, and slots are bound to machines by what is seen, never by what was asked for. So a lost answer, a call that was made twice or
 * a machine that never comes cannot make us believe something for longer than one look.
 *
 * Sizes are set as absolute numbers, and only one change is under way at a time. A look may raise the size, when fewer machines are
 * asked for than are wanted; it never lowers it. Machines go by `stop` alone, after they were drained.
 */
import assert from 'node:assert/strict'
import type { Clock } from '../../model/clock.js'
import { ForebayError } from '../../model/errors.js'
import type { NodeId } from '../../model/node.js'
import { untilAborted } from '../../model/until-aborted.js'
import type { ProvisionedNode, Provisioner } from '../provisioner.js'
import type { GroupView, Machine, MachineGroup } from './machine-group.js'
import { defaultRetries, type RetryOptions, retrying } from './retrying.js'

export interface GroupProvisionerOptions {
  readonly group: MachineGroup
  /** Our own maximum, whatever the cloud would allow. */
  readonly nodesMax: number
  /** Memory of one machine, as it is reported: a group's machines are all of one size. */
  readonly memoryBytes: number
  readonly clock: Clock
  readonly random: () => number
  /** `forecast-only` decides and tells, and changes nothing. */
  readonly mode: 'act' | 'forecast-only'
  /** Lets a machine finish its work; called before it goes. */
  readonly drain?: (machine: string, signal: AbortSignal) => Promise<void>
  /** Every change that is made, or would be made: a lower-case sentence. */
  readonly onDecision?: (decision: string) => void
  readonly pollMs?: number
  /** A machine that has not come by then is given up. */
  readonly bootMsMax?: number
  readonly drainMsMax?: number
  readonly stopMsMax?: number
  readonly retries?: Partial<Omit<RetryOptions, 'clock' | 'random'>>
}

const defaults = { pollMs: 2_000, bootMsMax: 15 * 60_000, drainMsMax: 5 * 60_000, stopMsMax: 15 * 60_000 }

export class GroupProvisioner implements Provisioner {
  readonly sizesMemory = false
  readonly outlives = true
  readonly #options: GroupProvisionerOptions & typeof defaults
  readonly #retries: RetryOptions
  readonly #wanted = new Set<NodeId>()
  /** Slots whose machine is drained before it goes: it still counts. */
  readonly #leaving = new Set<NodeId>()
  readonly #bound = new Map<NodeId, Machine>()
  /** The latest start of each slot: an earlier one that runs out of patience must not undo it. */
  readonly #latest = new Map<NodeId, symbol>()
  #lastReason: string | undefined
  #turn: Promise<unknown> = Promise.resolve()
  readonly #closed = new AbortController()

  constructor(options: GroupProvisionerOptions) {
    assert(options.nodesMax > 0, 'there must be room for one node')
    this.#options = { ...defaults, ...options }
    this.#retries = { ...defaultRetries, ...options.retries, clock: options.clock, random: options.random }
  }

  async start(node: NodeId, _options: { readonly memoryBytes: number }, given: AbortSignal): Promise<void> {
    const { clock, bootMsMax, pollMs, nodesMax } = this.#options
    this.#refuseClosed()
    if (slotNumber(node) > nodesMax) {
      throw new ForebayError('NOT_FOUND', `there is no node "${node}": ${this.#name} may have ${nodesMax} machines`)
    }
    const signal = AbortSignal.any([given, this.#closed.signal])
    this.#refuseForecastOnly(`start ${node}`)
    this.#wanted.add(node)
    this.#leaving.delete(node)
    const mine = Symbol(node)
    this.#latest.set(node, mine)
    const until = clock.monotonic() + bootMsMax
    for (;;) {
      await this.#lookFor(node, mine, signal)
      if (this.#bound.get(node)?.state === 'ready') return
      if (!this.#wanted.has(node)) throw new ForebayError('UNAVAILABLE', `${node} was stopped`)
      if (clock.monotonic() >= until) throw await this.#giveUp(node, this.#latest.get(node) === mine, signal)
      await clock.sleep(pollMs, signal)
    }
  }

  async stop(node: NodeId, given: AbortSignal): Promise<void> {
    const { clock, pollMs, stopMsMax } = this.#options
    const signal = AbortSignal.any([given, this.#closed.signal])
    if (this.#options.mode === 'forecast-only') {
      await this.observe(signal)
      if (this.#bound.has(node)) this.#refuseForecastOnly(`stop ${node}`)
      return
    }
    this.#wanted.delete(node)
    try {
      await this.#untilGone(node, clock.monotonic() + stopMsMax, pollMs, signal)
    } finally {
      this.#leaving.delete(node)
    }
  }

  async observe(signal: AbortSignal): Promise<readonly ProvisionedNode[]> {
    await this.#exclusively(() => this.#see(signal), signal)
    const { memoryBytes } = this.#options
    const reason = this.#lastReason === undefined ? {} : { reason: this.#lastReason }
    const bound = [...this.#bound].map(([id, { state }]) => {
      const leaving = state === 'ready' && this.#leaving.has(id)
      return { id, state: leaving ? ('draining' as const) : state, memoryBytes, ...(state === 'starting' ? reason : {}) }
    })
    const missing = [...this.#wanted]
      .filter((id) => !this.#bound.has(id))
      .map((id) => ({ id, state: 'starting' as const, memoryBytes, ...reason }))
    return [...bound, ...missing].toSorted((a, b) => slotNumber(a.id) - slotNumber(b.id))
  }

  /** Machines of these nodes work: the cloud must not end them. All others may be ended. */
  async protect(nodes: readonly NodeId[], signal: AbortSignal): Promise<void> {
    const { group, mode } = this.#options
    if (group.protect === undefined || mode === 'forecast-only') return
    await this.#exclusively(async () => {
      const { machines } = await this.#see(signal)
      // One that is gone, or goes, would have the whole call refused.
      const ready = machines.filter(({ state }) => state === 'ready')
      const working = new Set(nodes.flatMap((node) => this.#bound.get(node)?.id ?? []))
      const began = ready.filter((machine) => machine.protected !== true && working.has(machine.id)).map(({ id }) => id)
      const ended = ready.filter((machine) => machine.protected === true && !working.has(machine.id)).map(({ id }) => id)
      if (began.length > 0) await this.#call((each) => group.protect?.(began, true, each), signal)
      if (ended.length > 0) await this.#call((each) => group.protect?.(ended, false, each), signal)
    }, signal)
  }

  /** Has so many machines booted and stopped, where the cloud can do that; else nothing. */
  async prepare(count: number, signal: AbortSignal): Promise<void> {
    const { group, nodesMax } = this.#options
    if (group.prepare === undefined) return
    const bounded = Math.min(count, nodesMax)
    this.#refuseForecastOnly(`keep ${bounded} machines prepared`)
    await this.#exclusively(() => this.#call((each) => group.prepare?.(bounded, each), signal), signal)
  }

  /** Leaves the machines as they are: the next start finds them again. */
  async close(): Promise<void> {
    this.#closed.abort(new ForebayError('UNAVAILABLE', 'the nodes are not provisioned any more'))
    await this.#turn.catch(() => {})
    await this.#options.group.close()
  }

  get #name(): string {
    return this.#options.group.name
  }

  /** A look for one start. What is refused for good is not wanted any more: the next start would ask for its machine too. */
  async #lookFor(node: NodeId, mine: symbol, signal: AbortSignal): Promise<void> {
    try {
      await this.#look(signal)
    } catch (error) {
      if (!signal.aborted && this.#latest.get(node) === mine && !this.#bound.has(node)) this.#wanted.delete(node)
      throw error
    }
  }

  /** One look, which asks for more machines where fewer are on their way than are wanted. What may pass is waited out. */
  async #look(signal: AbortSignal): Promise<void> {
    try {
      await this.#exclusively(async () => {
        const { desired } = await this.#see(signal)
        const needed = Math.min(this.#options.nodesMax, this.#wanted.size + this.#leaving.size)
        if (desired < needed) await this.#resize(needed, signal)
      }, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ForebayError) || error.code !== 'UNAVAILABLE') throw error
      this.#lastReason = error.message
    }
  }

  /** Asks for the truth and binds slots to it. */
  async #see(signal: AbortSignal): Promise<GroupView> {
    const { group } = this.#options
    const view = await this.#call((each) => group.observe(each), signal)
    this.#bind(view.machines)
    const ready = view.machines.filter(({ state }) => state === 'ready').length
    const told = view.reason === undefined ? '' : `: ${view.reason}`
    this.#lastReason = ready < view.desired ? `${ready} of ${view.desired} machines of ${group.name} are ready${told}` : undefined
    return view
  }

  #bind(machines: readonly Machine[]): void {
    const open = new Map(machines.map((machine) => [machine.id, machine]))
    for (const [node, { id }] of this.#bound) {
      const machine = open.get(id)
      open.delete(id)
      if (machine === undefined) this.#bound.delete(node)
      else this.#bound.set(node, machine)
    }
    for (const machine of open.values()) {
      const free = [...this.#wanted].toSorted(bySlot).find((node) => !this.#bound.has(node)) ?? this.#firstFree()
      this.#bound.set(free, machine)
    }
    this.#takeOver()
  }

  /**
   * Machines are alike: a slot that is wanted, and has none that stays, takes the one of a slot that nobody wants, before another is
   * asked for. One that goes may take minutes to be gone.
   */
  #takeOver(): void {
    for (const node of [...this.#wanted].toSorted(bySlot)) {
      const going = this.#bound.get(node)
      if (going !== undefined && going.state !== 'stopping') continue
      const spare = [...this.#bound].filter(([each, { state }]) => {
        return !this.#wanted.has(each) && !this.#leaving.has(each) && state !== 'stopping'
      })
      const [taken] = spare.toSorted(([, a], [, b]) => Number(b.state === 'ready') - Number(a.state === 'ready'))
      if (taken === undefined) return
      if (going === undefined) this.#bound.delete(taken[0])
      else this.#bound.set(taken[0], going)
      this.#bound.set(node, taken[1])
    }
  }

  #firstFree(): NodeId {
    for (let number = 1; ; number++) if (!this.#bound.has(`n${number}`)) return `n${number}`
  }

  async #untilGone(node: NodeId, until: number, pollMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const asked = new Set<string>()
    for (;;) {
      const { machine, gone } = await this.#exclusively(() => this.#leave(node, asked, signal), signal)
      if (gone) return
      if (machine !== undefined) {
        await this.#drain(node, machine, signal)
        await this.#exclusively(() => this.#remove(node, machine, asked, signal), signal)
      }
      if (clock.monotonic() >= until) throw new ForebayError('UNAVAILABLE', `${node} of ${this.#name} did not go in time`)
      await clock.sleep(pollMs, signal)
    }
  }

  /** What has to happen next for a slot to be empty: a machine to drain and remove, waiting, or nothing. */
  async #leave(
    node: NodeId,
    asked: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<{ readonly machine?: Machine; readonly gone: boolean }> {
    const view = await this.#see(signal)
    // Somebody wants it again: it stays.
    if (this.#wanted.has(node)) return { gone: true }
    const machine = this.#bound.get(node)
    if (machine === undefined) {
      this.#leaving.delete(node)
      const needed = this.#wanted.size + this.#leaving.size
      // It was on its way only: it need not come any more. Those that go are none that the cloud still counts.
      const floor = Math.max(needed, view.machines.filter(({ state }) => state !== 'stopping').length)
      if (view.desired > floor) await this.#resize(floor, signal)
      return { gone: true }
    }
    if (machine.state === 'stopping' || asked.has(machine.id)) return { gone: false }
    this.#leaving.add(node)
    return { machine: this.#leavingMachine(node, machine, view), gone: false }
  }

  /** The machine that will go. Where the cloud chooses, slots change places so that it is this slot's. */
  #leavingMachine(node: NodeId, machine: Machine, view: GroupView): Machine {
    const last = lastStaying(view)
    if (this.#options.group.remove !== undefined || last === undefined || last.id === machine.id) return machine
    const other = [...this.#bound].find(([, bound]) => bound.id === last.id)?.[0]
    if (other !== undefined) this.#bound.set(other, machine)
    this.#bound.set(node, last)
    return last
  }

  async #drain(node: NodeId, machine: Machine, signal: AbortSignal): Promise<void> {
    const { drain, drainMsMax, clock, onDecision } = this.#options
    if (drain === undefined || machine.state !== 'ready') return
    onDecision?.(`drain ${node} (${machine.id})`)
    const late = new AbortController()
    try {
      const patience = clock.sleep(drainMsMax, AbortSignal.any([late.signal, signal])).then(
        () => onDecision?.(`${node} did not drain in ${drainMsMax} ms and is ended`),
        () => {},
      )
      await Promise.race([drain(machine.id, signal), patience])
      signal.throwIfAborted()
    } catch (error) {
      signal.throwIfAborted()
      // A machine that cannot drain any more has nothing left to lose.
      onDecision?.(`${node} did not drain: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      late.abort()
    }
  }

  async #remove(node: NodeId, machine: Machine, asked: Set<string>, signal: AbortSignal): Promise<void> {
    const { group, onDecision } = this.#options
    const view = await this.#see(signal)
    this.#leaving.delete(node)
    // Wanted again while it was drained, for this slot or another one: it stays.
    if (this.#wanted.has(node) || this.#bound.get(node)?.id !== machine.id) return
    const present = view.machines.find(({ id }) => id === machine.id)
    if (present === undefined || present.state === 'stopping') return
    // One that came meanwhile is the one that would go, and was not drained.
    if (group.remove === undefined && lastStaying(view)?.id !== machine.id) return
    asked.add(machine.id)
    if (group.remove === undefined) {
      await this.#resize(Math.max(0, view.desired - 1), signal)
      return
    }
    onDecision?.(`remove ${node} (${machine.id})`)
    await this.#call((each) => group.remove?.(machine.id, each), signal)
  }

  /** The capacity is not there: it is not asked for any more, and what came of it is sent away. */
  async #giveUp(node: NodeId, alone: boolean, signal: AbortSignal): Promise<ForebayError> {
    const reason = this.#lastReason === undefined ? '' : `: ${this.#lastReason}`
    const seconds = Math.round(this.#options.bootMsMax / 1000)
    const error = new ForebayError('UNAVAILABLE', `${node} did not come within ${seconds} s${reason}`)
    if (!alone) return error
    this.#wanted.delete(node)
    // Until it is sent away nobody else shall take it over.
    this.#leaving.add(node)
    try {
      await this.#exclusively(async () => {
        const { machine } = await this.#leave(node, new Set(), signal)
        if (machine !== undefined) await this.#remove(node, machine, new Set(), signal)
      }, signal)
    } catch {
      signal.throwIfAborted()
    } finally {
      this.#leaving.delete(node)
    }
    return error
  }

  async #resize(count: number, signal: AbortSignal): Promise<void> {
    const { group, onDecision } = this.#options
    onDecision?.(`resize ${group.name} to ${count}`)
    await this.#call((each) => group.resize(count, each), signal)
  }

  #call<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>
  #call(call: (signal: AbortSignal) => Promise<void> | undefined, signal: AbortSignal): Promise<void>
  #call(call: (signal: AbortSignal) => Promise<unknown> | undefined, signal: AbortSignal): Promise<unknown> {
    return retrying(this.#options.group, async (each) => call(each), this.#retries, signal)
  }

  /** One change at a time: two sizes on their way could arrive in the wrong order. The signal ends also the waiting for the turn. */
  #exclusively<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const turn = this.#turn.then(() => {
      signal.throwIfAborted()
      return act()
    })
    this.#turn = turn.catch(() => {})
    return untilAborted(turn, signal)
  }

  #refuseClosed(): void {
    if (this.#closed.signal.aborted) throw this.#closed.signal.reason
  }

  #refuseForecastOnly(decision: string): void {
    if (this.#options.mode !== 'forecast-only') return
    this.#options.onDecision?.(`would ${decision}`)
    throw new ForebayError('UNAVAILABLE', `${this.#name} is only forecast for: would ${decision}`, {
      hint: 'provision with mode=act to let Forebay change it',
    })
  }
}

/** The one that goes next where the cloud chooses. */
const lastStaying = ({ machines }: GroupView): Machine | undefined => machines.findLast(({ state }) => state !== 'stopping')

const slotNumber = (node: NodeId): number => {
  const number = Number(/^n(\d+)$/.exec(node)?.[1])
  if (!Number.isSafeInteger(number) || number < 1) throw new ForebayError('NOT_FOUND', `there is no node "${node}"`)
  return number
}
const bySlot = (a: NodeId, b: NodeId): number => slotNumber(a) - slotNumber(b)
