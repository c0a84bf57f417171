import { GroupError, type GroupView, type Machine, type MachineGroup } from '../../../src/allocate/group/machine-group.js'
import type { VirtualClock } from '../../../src/model/virtual-clock.js'
import type { Seeded } from '../../support/seeded.js'

/** What goes wrong; chances are per call. */
export interface Faults {
  /** The call is made, its answer is not heard. */
  readonly lostAnswers: number
  /** The call is made twice. */
  readonly doubled: number
  readonly throttled: number
  readonly unreachable: number
  /** Machines that the cloud has at all. */
  readonly capacity: number
  /** Share of machines that never become ready. */
  readonly stillborn: number
  readonly bootMs: readonly [number, number]
  readonly shutDownMs: number
  /** True where the cloud chooses who goes: the last one. */
  readonly cloudChooses: boolean
}

export const noFaults: Faults = {
  lostAnswers: 0,
  doubled: 0,
  throttled: 0,
  unreachable: 0,
  capacity: 1_000,
  stillborn: 0,
  bootMs: [60_000, 180_000],
  shutDownMs: 20_000,
  cloudChooses: false,
}

interface Booting {
  readonly id: string
  readonly readyAt: number
  goneAt: number
}

/** A cloud with faults, on a virtual clock. Machines boot for minutes and take their time to go. */
export class SimulatedGroup implements MachineGroup {
  readonly name = 'simulated group "workers"'
  readonly calls: string[] = []
  readonly working = new Set<string>()
  readonly remove?: NonNullable<MachineGroup['remove']>
  prepared = 0
  desired = 0
  faults: Faults
  /** What every change is answered with, where it is not allowed. */
  refused: GroupError | undefined
  /** What every call waits for. */
  before: () => Promise<void> = async () => {}
  readonly #clock: VirtualClock
  readonly #random: Seeded
  #machines: Booting[] = []
  #born = 0

  constructor(clock: VirtualClock, random: Seeded, faults: Faults) {
    this.#clock = clock
    this.#random = random
    this.faults = faults
    if (!faults.cloudChooses) this.remove = (machine) => this.#faulty(`remove ${machine}`, () => this.#end(machine))
  }

  /** The truth, which no fault can hide. */
  view(): GroupView {
    this.#advance()
    const now = this.#clock.now()
    const machines = this.#machines.map(({ id, readyAt, goneAt }): Machine => {
      if (goneAt < Number.POSITIVE_INFINITY) return { id, state: 'stopping' }
      return { id, state: readyAt <= now ? 'ready' : 'starting', protected: this.working.has(id) }
    })
    // A cloud that chooses keeps what is ready.
    if (this.remove === undefined) machines.sort((a, b) => Number(b.state === 'ready') - Number(a.state === 'ready'))
    const short = this.#living().length < this.desired
    return { desired: this.desired, machines, ...(short ? { reason: 'no capacity in this zone' } : {}) }
  }

  /** A machine dies: the cloud replaces it. */
  kill(id: string): void {
    this.#machines = this.#machines.filter((machine) => machine.id !== id)
  }

  /** The cloud takes a machine back: it goes, and another comes for it. */
  evict(id: string): void {
    this.#markGone(id)
  }

  observe(): Promise<GroupView> {
    return this.#faulty('observe', () => this.view())
  }

  resize(count: number): Promise<void> {
    return this.#faulty(`resize ${count}`, () => {
      this.#advance()
      this.desired = count
      const living = this.view().machines.filter(({ state }) => state !== 'stopping')
      for (const { id } of living.slice(count)) this.#markGone(id)
    })
  }

  async protect(machines: readonly string[], working: boolean): Promise<void> {
    await this.#faulty(`protect ${machines.join(' ')} ${working}`, () => {
      const unknown = machines.find((machine) => !this.view().machines.some(({ id }) => id === machine))
      if (unknown !== undefined) throw new GroupError('invalid', `${unknown} is not part of the group`)
      for (const machine of machines) {
        if (working) this.working.add(machine)
        else this.working.delete(machine)
      }
    })
  }

  async prepare(count: number): Promise<void> {
    await this.#faulty(`prepare ${count}`, () => {
      this.prepared = count
    })
  }

  async close(): Promise<void> {}

  async #faulty<T>(name: string, act: () => T): Promise<T> {
    const { lostAnswers, doubled, throttled, unreachable } = this.faults
    await this.before()
    if (this.#random.next() < throttled) throw new GroupError('throttled', 'slow down', { retryAfterMs: 1_000 })
    if (this.#random.next() < unreachable) throw new GroupError('transient', 'no route')
    if (this.refused !== undefined && name !== 'observe') throw this.refused
    this.calls.push(name)
    const answer = act()
    if (this.#random.next() < doubled) {
      this.calls.push(name)
      act()
    }
    if (this.#random.next() < lostAnswers) throw new GroupError('transient', 'the answer was lost')
    return answer
  }

  /** As AWS does it: the number goes down only for a machine that was still counted. */
  #end(id: string): void {
    this.#advance()
    const machine = this.#machines.find((each) => each.id === id)
    if (machine === undefined || machine.goneAt < Number.POSITIVE_INFINITY) return
    this.desired -= 1
    this.#markGone(id)
  }

  #markGone(id: string): void {
    const machine = this.#machines.find((each) => each.id === id)
    if (machine !== undefined) machine.goneAt = this.#clock.now() + this.faults.shutDownMs
  }

  #living(): Booting[] {
    return this.#machines.filter(({ goneAt }) => goneAt === Number.POSITIVE_INFINITY)
  }

  #advance(): void {
    const now = this.#clock.now()
    const { capacity, stillborn, bootMs } = this.faults
    this.#machines = this.#machines.filter(({ goneAt }) => goneAt > now)
    while (this.#living().length < this.desired && this.#machines.length < capacity) {
      const [least, most] = bootMs
      const readyAt =
        this.#random.next() < stillborn ? Number.POSITIVE_INFINITY : now + least + this.#random.next() * (most - least)
      this.#machines.push({ id: `i-${++this.#born}`, readyAt, goneAt: Number.POSITIVE_INFINITY })
    }
  }
}
