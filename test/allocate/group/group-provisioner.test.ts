import { afterEach, describe, expect, it } from 'vitest'
import { GroupProvisioner, type GroupProvisionerOptions } from '../../../src/allocate/group/group-provisioner.js'
import { GroupError, type MachineGroup } from '../../../src/allocate/group/machine-group.js'
import { defaultRetries, retrying } from '../../../src/allocate/group/retrying.js'
import { VirtualClock } from '../../../src/model/virtual-clock.js'
import { conformsAsProvisioner } from '../../conformance/provisioner.js'
import { Seeded } from '../../support/seeded.js'
import { type Faults, noFaults, SimulatedGroup } from './simulated-group.js'

const memoryBytes = 8e9
const minute = 60_000
const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

/** A clock that goes on by itself to whatever is due next, as soon as nothing else happens. */
function drivenClock(): VirtualClock {
  const clock = new VirtualClock(1_000_000_000)
  let on = true
  ends.push(() => {
    on = false
  })
  const drive = (): void => {
    if (!on) return
    if (clock.nextDueAt() < Number.POSITIVE_INFINITY) clock.skipTo(clock.nextDueAt())
    setImmediate(drive)
  }
  setImmediate(drive)
  return clock
}

function setUp(faults: Partial<Faults> = {}, options: Partial<GroupProvisionerOptions> = {}, seed = 1) {
  const clock = drivenClock()
  const random = new Seeded(seed)
  const group = new SimulatedGroup(clock, random, { ...noFaults, ...faults })
  const decisions: string[] = []
  const provisioner = new GroupProvisioner({
    group,
    nodesMax: 6,
    memoryBytes,
    clock,
    random: () => random.next(),
    mode: 'act',
    onDecision: (decision) => decisions.push(decision),
    ...options,
  })
  const signal = AbortSignal.timeout(20_000)
  const start = (node: string): Promise<void> => provisioner.start(node, { memoryBytes }, signal)
  const stop = (node: string): Promise<void> => provisioner.stop(node, signal)
  const believed = async (): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries((await provisioner.observe(signal)).map(({ id, state }) => [id, state]))
  return { clock, group, provisioner, decisions, signal, start, stop, believed }
}

for (const cloudChooses of [false, true]) {
  const clock = new VirtualClock(1_000_000_000)
  const group = new SimulatedGroup(clock, new Seeded(7), { ...noFaults, cloudChooses })
  const name = cloudChooses ? 'a group whose cloud chooses who goes' : 'a group that lets choose who goes'
  describe(name, () => {
    let on = true
    const drive = (): void => {
      if (clock.nextDueAt() < Number.POSITIVE_INFINITY) clock.skipTo(clock.nextDueAt())
      if (on) setImmediate(drive)
    }
    setImmediate(drive)
    conformsAsProvisioner(name, {
      open: async () => new GroupProvisioner({ group, nodesMax: 6, memoryBytes, clock, random: () => 0.5, mode: 'act' }),
      timeoutMs: 10_000,
      kill: async () => group.kill(group.view().machines[0]?.id ?? ''),
      clear: async () => {
        on = false
      },
    })
  })
}

describe('a group of machines', () => {
  it('boots for minutes, and says meanwhile what is waited for', async () => {
    const { start, provisioner, signal, clock } = setUp()
    const began = clock.now()
    const started = start('n1')
    await clock.sleep(30_000)
    const [node] = await provisioner.observe(signal)
    expect(node).toMatchObject({ id: 'n1', state: 'starting', reason: expect.stringContaining('0 of 1 machines') })
    await started
    expect(clock.now() - began).toBeGreaterThan(60_000)
    expect(clock.now() - began).toBeLessThan(190_000)
    expect(await provisioner.observe(signal)).toEqual([{ id: 'n1', state: 'ready', memoryBytes }])
  })

  it('asks for all machines at once, not one after the other', async () => {
    const { start, clock, group } = setUp()
    const began = clock.now()
    await Promise.all(['n1', 'n2', 'n3', 'n4'].map(start))
    expect(clock.now() - began).toBeLessThan(190_000)
    expect(group.desired).toBe(4)
  })

  it('never asks for more than its own maximum', async () => {
    const { start, group } = setUp({}, { nodesMax: 2 })
    await expect(start('n3')).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('2 machines') })
    await Promise.all([start('n1'), start('n2')])
    expect(group.desired).toBe(2)
  })

  it('drains the very machine that goes, before it goes, and ends it when it does not drain', async () => {
    for (const cloudChooses of [false, true]) {
      const drained: string[] = []
      let patient = true
      const { start, stop, group, clock, believed } = setUp(
        { cloudChooses },
        {
          drain: async (machine, signal) => {
            drained.push(machine)
            expect(group.view().machines.find(({ id }) => id === machine)?.state).toBe('ready')
            await clock.sleep(patient ? 20_000 : 3_600_000, signal)
          },
          drainMsMax: 2 * minute,
        },
      )
      await Promise.all(['n1', 'n2', 'n3'].map(start))
      const before = group.view().machines.map(({ id }) => id)
      await stop('n2')
      const [gone] = before.filter((id) => !group.view().machines.some((machine) => machine.id === id))
      expect(drained).toEqual([gone])
      expect(await believed()).toEqual({ n1: 'ready', n3: 'ready' })
      patient = false
      const began = clock.now()
      await stop('n1')
      expect(clock.now() - began).toBeLessThan(4 * minute)
      expect(await believed()).toEqual({ n3: 'ready' })
    }
  })

  it('gives up capacity that does not come, says why, and asks for no more of it', async () => {
    const { start, group, believed } = setUp({ capacity: 2 }, { bootMsMax: 5 * minute })
    const outcomes = await Promise.allSettled(['n1', 'n2', 'n3', 'n4'].map(start))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected'])
    const [failed] = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(failed?.reason).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('no capacity in this zone') })
    expect(await believed()).toEqual({ n1: 'ready', n2: 'ready' })
    expect(group.desired).toBe(2)
  })

  it('works with the half of the machines that come up, and sends the others away', async () => {
    const { start, group, believed } = setUp({ stillborn: 0.5 }, { bootMsMax: 5 * minute }, 3)
    const outcomes = await Promise.allSettled(['n1', 'n2', 'n3', 'n4', 'n5', 'n6'].map(start))
    const came = outcomes.filter(({ status }) => status === 'fulfilled').length
    expect(came).toBeGreaterThan(0)
    expect(came).toBeLessThan(6)
    const states = Object.values(await believed())
    expect(states.filter((state) => state === 'ready')).toHaveLength(came)
    expect(states.filter((state) => state === 'starting')).toEqual([])
    expect(group.desired).toBe(came)
  })

  it('finds the machines of a former run', async () => {
    const { start, provisioner, group, clock, signal } = setUp()
    await Promise.all([start('n1'), start('n2')])
    await provisioner.close()
    const next = new GroupProvisioner({ group, nodesMax: 6, memoryBytes, clock, random: () => 0.5, mode: 'act' })
    expect((await next.observe(signal)).map(({ id, state }) => [id, state])).toEqual([
      ['n1', 'ready'],
      ['n2', 'ready'],
    ])
    await next.start('n1', { memoryBytes }, signal)
    expect(group.desired).toBe(2)
    await next.stop('n1', signal)
    await next.stop('n2', signal)
    expect([group.desired, group.view().machines]).toEqual([0, []])
  })

  it('only forecasts when it is told so, and tells what it would do', async () => {
    const { start, provisioner, group, decisions, signal } = setUp({}, { mode: 'forecast-only' })
    await expect(start('n1')).rejects.toMatchObject({ message: expect.stringContaining('only forecast') })
    await expect(provisioner.prepare(3, signal)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await provisioner.stop('n1', signal)
    expect(decisions).toEqual(['would start n1', 'would keep 3 machines prepared'])
    expect([group.desired, group.prepared, group.calls.filter((call) => call !== 'observe')]).toEqual([0, 0, []])
  })

  it('protects machines while they work, tells only changes, and keeps some prepared', async () => {
    const { start, provisioner, group, signal } = setUp()
    await Promise.all([start('n1'), start('n2')])
    await provisioner.protect(['n1'], signal)
    await provisioner.protect(['n1'], signal)
    const [first, second] = group.view().machines.map(({ id }) => id)
    expect([...group.working]).toEqual([first])
    await provisioner.protect(['n2'], signal)
    expect([...group.working]).toEqual([second])
    expect(group.calls.filter((call) => call.startsWith('protect'))).toHaveLength(3)
    await provisioner.prepare(20, signal)
    expect(group.prepared).toBe(6)
  })

  it('protects the machines that are left where one is gone', async () => {
    const { start, provisioner, group, signal } = setUp()
    await Promise.all([start('n1'), start('n2')])
    const [first, second] = group.view().machines.map(({ id }) => id)
    group.kill(first ?? '')
    await provisioner.protect(['n1', 'n2'], signal)
    expect([...group.working]).toEqual([second])
  })

  it('protects no machine any more that worked for a former run only', async () => {
    const { start, provisioner, group, clock, signal } = setUp()
    await Promise.all([start('n1'), start('n2')])
    await provisioner.protect(['n1', 'n2'], signal)
    await provisioner.close()
    const next = new GroupProvisioner({ group, nodesMax: 6, memoryBytes, clock, random: () => 0.5, mode: 'act' })
    await next.protect([], signal)
    expect([...group.working]).toEqual([])
  })

  it('is as patient with a machine that boots or goes when the time of day is put forward or back', async () => {
    const times = drivenClock()
    let shiftMs = 0
    const clock = {
      now: () => times.now() + shiftMs,
      monotonic: () => times.monotonic(),
      sleep: (ms: number, each?: AbortSignal) => times.sleep(ms, each),
    }
    const group = new SimulatedGroup(times, new Seeded(1), { ...noFaults, capacity: 1 })
    const options = { group, nodesMax: 6, memoryBytes, clock, random: () => 0.5, mode: 'act' as const, bootMsMax: 5 * minute }
    const provisioner = new GroupProvisioner(options)
    const signal = AbortSignal.timeout(20_000)
    const started = provisioner.start('n1', { memoryBytes }, signal)
    await times.sleep(10_000)
    shiftMs = 60 * minute
    await started
    const second = provisioner.start('n2', { memoryBytes }, signal)
    const began = times.monotonic()
    await times.sleep(10_000)
    shiftMs = -24 * 60 * minute
    await expect(second).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(times.monotonic() - began).toBeLessThan(6 * minute)
  })

  it('an abort ends also the waiting for what another asked of the cloud, and leaves nothing to be done', async () => {
    const { provisioner, group, start, signal } = setUp()
    await start('n1')
    let answer = (): void => {}
    const hung = new Promise<void>((resolve) => {
      answer = resolve
    })
    group.before = () => hung
    const first = provisioner.observe(signal)
    const abort = new AbortController()
    const second = provisioner.prepare(2, abort.signal)
    abort.abort(new Error('enough'))
    await expect(Promise.race([second, first])).rejects.toThrow('enough')
    answer()
    await first
    await provisioner.observe(signal)
    expect(group.prepared).toBe(0)
  })

  it('an abort ends the waiting, not the machine', async () => {
    const { provisioner, clock, believed } = setUp()
    const abort = new AbortController()
    const started = provisioner.start('n1', { memoryBytes }, abort.signal)
    await clock.sleep(10_000)
    abort.abort(new Error('enough'))
    await expect(started).rejects.toThrow('enough')
    await clock.sleep(4 * minute)
    expect(await believed()).toEqual({ n1: 'ready' })
  })

  it('asks no more for a machine whose start was refused', async () => {
    const { start, group, believed } = setUp()
    group.refused = new GroupError('denied', 'no right to set the size')
    await expect(start('n1')).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' })
    group.refused = undefined
    expect(await believed()).toEqual({})
    await start('n2')
    expect(group.desired).toBe(1)
  })

  it('leaves no machine to come for a start that was taken back while another machine goes', async () => {
    const { provisioner, start, stop, group, clock, believed } = setUp({ capacity: 2 })
    await Promise.all([start('n1'), start('n2')])
    const impatient = new AbortController()
    const stopped = provisioner.stop('n1', impatient.signal).catch(() => {})
    await clock.sleep(5_000)
    impatient.abort(new Error('enough'))
    expect(group.view().machines.map(({ state }) => state)).toEqual(['stopping', 'ready'])
    const started = start('n3').catch(() => {})
    await clock.sleep(5_000)
    await Promise.all([stop('n3'), stopped, started])
    await clock.sleep(5 * minute)
    expect(await believed()).toEqual({ n2: 'ready' })
    expect(group.desired).toBe(1)
  })

  it('ends no machine that was not drained, also when others come while one drains', async () => {
    const drained = new Set<string>()
    const { start, stop, group, clock, believed } = setUp(
      { cloudChooses: true },
      { drain: (machine, signal) => clock.sleep(4 * minute, signal).then(() => void drained.add(machine)) },
    )
    await Promise.all([start('n1'), start('n2')])
    const seen = new Set<string>()
    const look = (): void => {
      for (const { id, state } of group.view().machines) if (state === 'ready') seen.add(id)
    }
    look()
    const stopped = stop('n2')
    await clock.sleep(10_000)
    await start('n3')
    look()
    await stopped
    expect(await believed()).toEqual({ n1: 'ready', n3: 'ready' })
    const left = group.view().machines.map(({ id }) => id)
    const gone = [...seen].filter((id) => !left.includes(id))
    expect(gone).toHaveLength(1)
    expect(gone.filter((id) => !drained.has(id))).toEqual([])
  })

  it('ends no machine that another node has taken over while it drained', async () => {
    const { provisioner, start, stop, clock, believed } = setUp({}, { drain: (_, signal) => clock.sleep(4 * minute, signal) })
    await start('n1')
    const impatient = new AbortController()
    const stops = [provisioner.stop('n1', impatient.signal).catch(() => {}), stop('n1')]
    await clock.sleep(10_000)
    impatient.abort(new Error('enough'))
    await clock.sleep(10_000)
    await start('n2')
    await Promise.all(stops)
    expect(await believed()).toEqual({ n2: 'ready' })
  })

  it('sends all machines away that were given up at once, also where the cloud chooses', async () => {
    for (const cloudChooses of [false, true]) {
      const { start, group, believed } = setUp({ stillborn: 1, cloudChooses }, { bootMsMax: 5 * minute })
      const outcomes = await Promise.allSettled(['n1', 'n2', 'n3'].map(start))
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
      expect([group.desired, Object.values(await believed())]).toEqual([0, ['stopping', 'stopping', 'stopping']])
    }
  })

  it('fills a slot with the machine that is there, not with one that goes for long', async () => {
    const { start, group, clock, believed } = setUp({ shutDownMs: 60 * minute })
    await Promise.all([start('n1'), start('n2')])
    const [first] = group.view().machines
    group.evict(first?.id ?? '')
    const began = clock.now()
    await start('n1')
    expect(clock.now() - began).toBeLessThan(4 * minute)
    expect(await believed()).toEqual({ n1: 'ready', n2: 'ready', n3: 'stopping' })
    expect(group.desired).toBe(2)
  })

  it('believes the truth again within minutes after faults, whatever was done meanwhile', async () => {
    const longest: number[] = []
    for (let seed = 1; seed <= 16; seed++) {
      const cloudChooses = seed % 2 === 0
      const faults = {
        lostAnswers: 0.25,
        doubled: 0.25,
        throttled: 0.2,
        unreachable: 0.1,
        stillborn: 0.2,
        capacity: 4,
        cloudChooses,
      }
      const { clock, group, start, stop, believed } = setUp(faults, { bootMsMax: 10 * minute, pollMs: 10_000 }, seed)
      const choices = new Seeded(1_000 + seed)
      const slots = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6']
      const before: Promise<unknown>[] = []
      for (let step = 0; step < 12; step++) {
        const node = choices.pick(slots)
        before.push((choices.chance(0.6) ? start(node) : stop(node)).catch(() => {}))
        if (choices.chance(0.2)) group.kill(group.view().machines[0]?.id ?? '')
        await clock.sleep(choices.below(4 * minute))
      }
      group.faults = { ...noFaults, cloudChooses }
      const wanted = slots.filter(() => choices.chance(0.5))
      const healedAt = clock.now()
      const others = slots.filter((node) => !wanted.includes(node))
      // A machine that never comes up is given up and asked for again.
      const insist = (node: string): Promise<void> => start(node).catch(() => start(node))
      await Promise.all([...wanted.map(insist), ...others.map(stop)])
      longest.push(clock.now() - healedAt)
      const ready = Object.fromEntries(wanted.map((node) => [node, 'ready']))
      expect([seed, await believed()]).toEqual([seed, ready])
      expect([seed, group.desired, group.view().machines.length]).toEqual([seed, wanted.length, wanted.length])
      await Promise.all(before)
      for (const end of ends.splice(0)) end()
    }
    expect(Math.max(...longest)).toBeLessThan(15 * minute)
  }, 60_000)
})

describe('retries', () => {
  const clock = { waits: [] as number[], sleep: async (ms: number) => void clock.waits.push(ms) }
  const options = { ...defaultRetries, clock, random: () => 1 }
  const { signal } = new AbortController()
  const failing = (errors: readonly Error[]): (() => Promise<string>) => {
    const rest = [...errors]
    return async () => {
      const error = rest.shift()
      if (error !== undefined) throw error
      return 'done'
    }
  }
  const group: Pick<MachineGroup, 'name'> = { name: 'scaling group "g"' }

  it('wait longer each time, and as long as they are told to', async () => {
    clock.waits = []
    const errors = [1, 2, 3].map(() => new GroupError('throttled', 'slow down'))
    const told = new GroupError('throttled', 'slow down', { retryAfterMs: 9_000 })
    expect(await retrying(group, failing([...errors, told]), options, signal)).toBe('done')
    expect(clock.waits).toEqual([200, 400, 800, 9_000])
  })

  it('end after some attempts with the reason', async () => {
    const errors = Array.from({ length: 20 }, () => new GroupError('transient', 'AWS does not answer'))
    await expect(retrying(group, failing(errors), options, signal)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'scaling group "g": AWS does not answer after 7 attempts',
    })
  })

  it('are not made for what needs a person, who is told what to do', async () => {
    clock.waits = []
    const denied = new GroupError('denied', 'no right', { hint: 'allow autoscaling:SetDesiredCapacity' })
    await expect(retrying(group, failing([denied]), options, signal)).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      hint: 'allow autoscaling:SetDesiredCapacity',
    })
    expect(clock.waits).toEqual([])
  })
})
