import { expect, test, vi } from 'vitest'
import { Budget } from '../../src/allocate/budget.js'
import { IdleStop } from '../../src/allocate/idle-stop.js'
import { Ledger } from '../../src/allocate/ledger.js'
import { defaultPrices } from '../../src/allocate/price.js'
import { ProactiveLoop, type ProactiveMode } from '../../src/allocate/proactive-loop.js'
import { ReferenceWait } from '../../src/allocate/reference-wait.js'
import { Rights } from '../../src/allocate/rights.js'
import { Timings } from '../../src/allocate/timings.js'
import { TrackRecord } from '../../src/allocate/track-record.js'
import type { Forecast } from '../../src/model/forecast.js'
import { VirtualClock } from '../../src/model/virtual-clock.js'
import { FakeActuator } from './fake-actuator.js'

const minute = 60_000

interface SetUp {
  readonly mode?: ProactiveMode
  readonly heldOutShare?: number
  readonly byteSeconds?: number
  readonly stopsAfterMs?: number
  readonly startedAt?: number
}

function setUp(options: SetUp = {}) {
  const clock = new VirtualClock(options.startedAt ?? 1_000_000_000)
  const actuator = new FakeActuator()
  const budget = new Budget({ windowMs: 24 * 60 * minute, byteSeconds: options.byteSeconds ?? 1e15, cpuSeconds: 1e6 })
  const ledger = new Ledger()
  const errors: unknown[] = []
  const told: string[] = []
  let forecasts: Forecast[] = []
  const looks: number[] = []
  const loop = new ProactiveLoop({
    mode: options.mode ?? 'on',
    clock,
    actuator,
    forecast: (now) => {
      looks.push(now)
      return forecasts
    },
    ledger,
    budget,
    prices: defaultPrices,
    rights: new Rights(defaultPrices),
    timings: new Timings(),
    reference: new ReferenceWait(),
    record: new TrackRecord(),
    heldOutShare: options.heldOutShare ?? 0,
    nodesStop: false,
    lastNodeStopsAfterMs: options.stopsAfterMs ?? Number.POSITIVE_INFINITY,
    horizonMs: 60 * minute,
    marginMs: 2_000,
    onForecast: (forecast, state, queryId) => told.push([forecast.id, state, queryId].filter(Boolean).join(' ')),
    onError: (error) => errors.push(error),
  })
  const expectAt = (inMs: number, overrides: Partial<Forecast> = {}): Forecast => {
    const at = clock.now() + inMs
    const forecast: Forecast = {
      id: `f${forecasts.length}`,
      tenant: 'team',
      template: 't1',
      sql: 'SELECT 1',
      params: {},
      timeZone: 'UTC',
      at,
      from: at - 10 * minute,
      until: at + 10 * minute,
      probability: 0.9,
      source: 'hour-of-day',
      why: 'came at this time on 5 of 5 days',
      ...overrides,
    }
    forecasts.push(forecast)
    return forecast
  }
  const arrive = (queryId: string, waitMs: number, answeredFromStore = true): void => {
    const arrival = { queryId, tenant: 'team', template: 't1', at: clock.now() }
    loop.arrived(arrival)
    loop.completed({ ...arrival, waitMs, answeredFromStore })
  }
  return { clock, actuator, budget, ledger, loop, looks, errors, told, expectAt, arrive, forget: () => (forecasts = []) }
}

test('waits until the lead time before it prepares a forecast', async () => {
  const { actuator, clock, expectAt, loop } = setUp()
  const forecast = expectAt(14 * minute)
  const next = await loop.runOnce()
  expect(actuator.calls).toEqual([])
  expect(next).toBeLessThan(forecast.from)
  expect(next).toBeGreaterThan(forecast.from - minute)
  clock.skipTo(next)
  await loop.runOnce()
  expect(actuator.calls).toContain('precompute SELECT 1')
})

test('prepares an occurrence once, however often it is asked for', async () => {
  const { actuator, expectAt, loop, arrive } = setUp()
  expectAt(1_000)
  await loop.runOnce()
  const calls = actuator.calls.length
  await loop.runOnce()
  arrive('q1', 3)
  await loop.runOnce()
  expect(actuator.calls.length).toBe(calls)
})

test('takes two forecasts of one arrival for one, before and after it has come', async () => {
  const { actuator, arrive, clock, expectAt, ledger, loop } = setUp()
  expectAt(minute)
  expectAt(5 * minute, { source: 'trigger' })
  await loop.runOnce()
  const calls = actuator.calls.length
  expect(calls).toBeGreaterThan(0)
  clock.skipTo(clock.now() + minute)
  arrive('q1', 5)
  await loop.runOnce()
  expect(actuator.calls.length).toBe(calls)
  expect(ledger.entries().every((entry) => entry.outcome === 'used')).toBe(true)
})

test('books what was not ready when its query came as wasted, and prepares no more of it', async () => {
  const { actuator, arrive, expectAt, ledger, loop } = setUp()
  expectAt(1_000)
  actuator.meanwhile = (call) => call.startsWith('start') && arrive('q1', 700, false)
  await loop.runOnce()
  expect(actuator.calls).toEqual(['start n1'])
  expect(ledger.entries().map(({ outcome }) => outcome)).toEqual(['wasted'])
})

test('prepares the others when one forecast cannot be judged, and looks at that one again later', async () => {
  const { actuator, clock, errors, expectAt, loop } = setUp()
  actuator.ready.add('n1')
  expectAt(minute, { template: 'gone', sql: 'FROM gone', probability: 0.99 })
  expectAt(minute, { template: 't2', sql: 'SELECT 2' })
  expectAt(minute, { template: 't3', sql: 'SELECT 3' })
  let judged = 0
  actuator.readinessOf = ({ sql }) => {
    if (sql !== 'FROM gone') return {}
    judged++
    throw new Error('table "gone" does not exist')
  }
  const next = await loop.runOnce()
  expect(actuator.calls.toSorted()).toEqual(['precompute SELECT 2', 'precompute SELECT 3'])
  await loop.runOnce()
  expect([judged, errors.length]).toEqual([1, 1])
  clock.skipTo(next)
  await loop.runOnce()
  expect(judged).toBe(2)
  loop.datasetChanged('gone')
  await loop.runOnce()
  expect(judged).toBe(3)
})

test('gives up what is not ready when its query can no longer come, and goes on with the others', async () => {
  const { actuator, clock, expectAt, ledger, loop } = setUp()
  actuator.ready.add('n1')
  const stuck = expectAt(minute, { sql: 'SELECT 1' })
  expectAt(60 * minute, { template: 't2', sql: 'SELECT 2', from: clock.now() })
  actuator.never.add('precompute SELECT 1')
  const look = loop.runOnce()
  await expect.poll(() => actuator.calls).toEqual(['precompute SELECT 1'])
  clock.skipTo(stuck.until)
  await look
  expect(actuator.calls).toEqual(['precompute SELECT 1', 'precompute SELECT 2'])
  expect(ledger.entries().map(({ outcome }) => outcome)).toEqual(['revoked', 'pending'])
})

test('waits no longer to compute an answer ahead when its query has come', async () => {
  const { actuator, arrive, errors, expectAt, ledger, loop } = setUp()
  actuator.ready.add('n1')
  expectAt(minute)
  actuator.never.add('precompute SELECT 1')
  const look = loop.runOnce()
  await expect.poll(() => actuator.calls).toEqual(['precompute SELECT 1'])
  arrive('q1', 700, false)
  await look
  expect(ledger.entries().map(({ outcome }) => outcome)).toEqual(['revoked'])
  expect(errors).toEqual([])
})

test('prepares a query that reads no table once', async () => {
  const { actuator, arrive, expectAt, ledger, loop } = setUp()
  actuator.ready.add('n1')
  actuator.readinessOf = () => ({ datasets: [], segments: [] })
  expectAt(minute)
  await loop.runOnce()
  await loop.runOnce()
  expect(actuator.calls).toEqual(['precompute SELECT 1'])
  arrive('q1', 3)
  expect(ledger.entries().map(({ outcome }) => outcome)).toEqual(['used'])
})

test('gives an occurrence other lines in the ledger after a restart', async () => {
  const ids = []
  for (const startedAt of [1_000_000_000, 1_000_060_000]) {
    const { actuator, expectAt, ledger, loop } = setUp({ startedAt })
    actuator.ready.add('n1')
    expectAt(minute)
    await loop.runOnce()
    ids.push(...ledger.entries().map(({ id }) => id))
  }
  expect(ids.length).toBe(2)
  expect(new Set(ids).size).toBe(2)
})

test('prepares nothing for a query that came while it was looked at', async () => {
  const { actuator, arrive, expectAt, ledger, loop } = setUp()
  expectAt(1_000)
  actuator.readinessOf = () => {
    arrive('q1', 700, false)
    return {}
  }
  await loop.runOnce()
  expect(actuator.calls).toEqual([])
  expect(ledger.entries()).toEqual([])
})

test('prepares nothing that would not be finished when a session goes on', async () => {
  const { actuator, expectAt, loop } = setUp()
  expectAt(300, { source: 'sequence' })
  await loop.runOnce()
  expect(actuator.calls).toEqual([])
})

test('keeps a node running only for what is of use on a running node', async () => {
  const { actuator, expectAt, loop } = setUp()
  actuator.ready.add('n1')
  const forecast = expectAt(minute)
  await loop.runOnce()
  expect(actuator.calls).toEqual(['precompute SELECT 1'])
  expect(loop.wantedUntil()).toBe(0)
  actuator.readinessOf = () => ({ repeatable: false, coldPacks: [{ pack: 'p-1', node: 'n1', columns: ['a'], bytes: 1e6 }] })
  const second = expectAt(2 * minute, { template: 't2' })
  await loop.runOnce()
  expect(loop.wantedUntil()).toBe(second.until)
  expect(second.until).not.toBe(forecast.until)
})

test('books what the allocation saved against the predicted wait', async () => {
  const { arrive, expectAt, ledger, loop } = setUp()
  expectAt(1_000)
  await loop.runOnce()
  arrive('q1', 5)
  const used = ledger.entries().filter((entry) => entry.outcome === 'used')
  const saved = used.reduce((sum, entry) => sum + (entry.measuredBenefitMs ?? 0), 0)
  // 400 ms of computing and 400 ms of starting a node were predicted, 5 were waited.
  expect(saved).toBeCloseTo(795, 5)
  expect(used.every((entry) => entry.queryId === 'q1')).toBe(true)
})

test('books an allocation whose query never came as wasted, with what it held', async () => {
  const { clock, expectAt, ledger, loop } = setUp()
  const forecast = expectAt(1_000)
  await loop.runOnce()
  clock.skipTo(forecast.until + 1)
  await loop.runOnce()
  const entries = ledger.entries()
  expect(entries.length).toBeGreaterThan(0)
  expect(entries.every((entry) => entry.outcome === 'wasted')).toBe(true)
  expect(entries[0]?.measuredCost?.byteSeconds).toBeGreaterThan(500 * 1_000_000)
})

test('tells of each forecast when it is prepared for, and whether its query came', async () => {
  const { arrive, clock, expectAt, loop, told } = setUp({ heldOutShare: 0.5 })
  expectAt(1_000)
  const second = expectAt(2 * minute, { template: 't2' })
  await loop.runOnce()
  await loop.runOnce()
  expect(told).toEqual(['f0 expected', 'f1 expected'])
  arrive('q1', 5)
  clock.skipTo(second.until + 1)
  await loop.runOnce()
  await loop.runOnce()
  expect(told.slice(2)).toEqual(['f0 met q1', 'f1 missed'])
})

test('acts on no forecast of the held-out share, and accounts for it', async () => {
  const { actuator, arrive, expectAt, ledger, loop } = setUp({ heldOutShare: 1 })
  expectAt(1_000)
  await loop.runOnce()
  arrive('q1', 900, false)
  expect(actuator.calls).toEqual([])
  expect(ledger.entries().map((entry) => entry.outcome)).toEqual(ledger.entries().map(() => 'held-out'))
  expect(ledger.entries().length).toBeGreaterThan(0)
})

test('decides and accounts but does not act when it only forecasts', async () => {
  const { actuator, expectAt, ledger, loop } = setUp({ mode: 'forecast-only' })
  expectAt(1_000)
  await loop.runOnce()
  expect(actuator.calls).toEqual([])
  expect(ledger.entries().length).toBeGreaterThan(0)
})

test('prepares again when the data that it read has changed', async () => {
  const { actuator, expectAt, loop } = setUp()
  expectAt(1_000)
  await loop.runOnce()
  loop.datasetChanged('orders')
  await loop.runOnce()
  expect(actuator.calls.filter((call) => call.startsWith('precompute'))).toHaveLength(2)
})

test('books an answer over data that has changed since as wasted, and its successor as used', async () => {
  const { arrive, expectAt, ledger, loop } = setUp()
  expectAt(1_000)
  await loop.runOnce()
  loop.datasetChanged('orders')
  await loop.runOnce()
  arrive('q1', 5)
  const answers = ledger.entries().filter((entry) => entry.action === 'precompute')
  expect(answers.map((entry) => entry.outcome)).toEqual(['wasted', 'used'])
})

test('keeps an answer where only segments have changed that its query does not read', async () => {
  const { actuator, arrive, expectAt, ledger, loop } = setUp()
  expectAt(1_000)
  await loop.runOnce()
  actuator.readinessOf = () => ({ answerStored: true })
  loop.datasetChanged('orders')
  await loop.runOnce()
  arrive('q1', 5)
  const answers = ledger.entries().filter((entry) => entry.action === 'precompute')
  expect(answers.map((entry) => entry.outcome)).toEqual(['used'])
  expect(answers[0]?.measuredBenefitMs).toBeGreaterThan(0)
})

test('prepares again what changed while it was looked at again', async () => {
  const { actuator, expectAt, loop } = setUp()
  expectAt(1_000)
  await loop.runOnce()
  let version = 1
  actuator.readinessOf = () => {
    const seen = version
    if (version === 1) {
      version = 2
      loop.datasetChanged('orders')
    }
    return { answerStored: seen === 1, version: `v${seen}` }
  }
  loop.datasetChanged('orders')
  await loop.runOnce()
  await loop.runOnce()
  expect(actuator.calls.filter((call) => call.startsWith('precompute'))).toHaveLength(2)
})

test.each([
  ['comes every time', 1],
  ['comes every other time', 2],
])('expects of its actions what they bring, where a forecast of 60 %% %s', async (_, every) => {
  const { arrive, clock, expectAt, ledger, loop } = setUp()
  for (let day = 0; day < 80; day++) {
    const forecast = expectAt(1_000, { id: `day-${day}`, probability: 0.6 })
    await loop.runOnce()
    if (day % every === 0) arrive(`q${day}`, 5)
    clock.skipTo(forecast.until + 1)
  }
  await loop.runOnce()
  const late = ledger.entries().slice(-60)
  const expected = late.reduce((sum, entry) => sum + entry.expectedBenefitMs, 0)
  const measured = late.reduce((sum, entry) => sum + (entry.measuredBenefitMs ?? 0), 0)
  expect(expected / measured).toBeGreaterThan(0.8)
  expect(expected / measured).toBeLessThan(1.2)
})

test('counts the start of a node as saved where the one that runs now will have stopped', async () => {
  const expected = async (stopsAfterMs: number): Promise<number> => {
    const { actuator, expectAt, ledger, loop } = setUp({ stopsAfterMs })
    actuator.ready.add('n1')
    expectAt(10 * minute)
    await loop.runOnce()
    return ledger.entries().reduce((sum, entry) => sum + entry.expectedBenefitMs, 0)
  }
  expect(await expected(2 * minute)).toBeGreaterThan(1.9 * (await expected(Number.POSITIVE_INFINITY)))
})

test('does nothing beyond its budget', async () => {
  const { actuator, expectAt, loop } = setUp({ byteSeconds: 1 })
  expectAt(1_000)
  await loop.runOnce()
  expect(actuator.calls).toEqual([])
})

test('spends nothing on packs that it does not warm, as no node runs', async () => {
  const { actuator, budget, clock, expectAt, loop } = setUp()
  const absentNodes = [{ node: 'n1', memoryBytes: 1e13 }]
  const coldPacks = [{ pack: 'p1', node: 'n1', columns: ['a'], bytes: 1e6 }]
  actuator.readinessOf = () => ({ repeatable: false, absentNodes, coldPacks })
  expectAt(minute)
  await loop.runOnce()
  expect(actuator.calls).toEqual([])
  expect(budget.spent(clock.now())).toEqual({ byteSeconds: 0, cpuSeconds: 0 })
})

test('takes no action that saves less than its price', async () => {
  const { actuator, expectAt, loop } = setUp()
  actuator.ready.add('n1')
  actuator.readinessOf = () => ({ coldMs: 3, warmMs: 3, storedMs: 2, cpuMs: 60_000 })
  expectAt(1_000)
  await loop.runOnce()
  expect(actuator.calls).toEqual([])
})

test('a kind of action that never pays loses the right to act', async () => {
  const { actuator, clock, expectAt, loop } = setUp()
  actuator.ready.add('n1')
  actuator.cost = { cpuMs: 5_000, wallMs: 100, heldBytes: 1e9 }
  for (let day = 0; day < 30; day++) {
    const forecast = expectAt(1_000, { id: `day-${day}` })
    await loop.runOnce()
    clock.skipTo(forecast.until + 1)
  }
  const precomputed = actuator.calls.filter((call) => call.startsWith('precompute')).length
  expect(precomputed).toBeGreaterThanOrEqual(8)
  expect(precomputed).toBeLessThan(14)
})

test('gives a kind that lost its right retrials with what is worth its price', async () => {
  const { actuator, clock, expectAt, loop } = setUp()
  actuator.ready.add('n1')
  for (let day = 0; day < 8; day++) {
    const forecast = expectAt(1_000, { id: `day-${day}` })
    await loop.runOnce()
    clock.skipTo(forecast.until + 1)
  }
  await loop.runOnce()
  actuator.calls.length = 0
  actuator.readinessOf = ({ sql }) => (sql === 'SELECT 2' ? { coldMs: 2, storedMs: 2 } : {})
  for (let day = 8; day < 28; day++) {
    const forecast = expectAt(1_000, { id: `day-${day}`, ...(day % 2 === 0 ? {} : { template: 't2', sql: 'SELECT 2' }) })
    await loop.runOnce()
    clock.skipTo(forecast.until + 1)
  }
  expect(actuator.calls).toEqual(['precompute SELECT 1'])
})

test('a failing action is reported and the loop goes on', async () => {
  const { actuator, errors, expectAt, ledger, loop } = setUp()
  actuator.failing.add('precompute')
  expectAt(1_000)
  await loop.runOnce()
  expect(errors).toHaveLength(1)
  expect(ledger.entries().some((entry) => entry.outcome === 'failed')).toBe(true)
  expect(actuator.calls).toContain('start n1')
})

test('wakes by the clock and prepares without being asked', async () => {
  const { actuator, clock, expectAt, loop } = setUp()
  expectAt(30 * minute)
  loop.start()
  for (let step = 0; step < 50 && actuator.calls.length === 0; step++) {
    await new Promise((resolve) => setImmediate(resolve))
    clock.skipTo(clock.now() + 10 * minute)
  }
  await loop.stop()
  expect(actuator.calls).toContain('precompute SELECT 1')
})

test('looks again soon after it was woken, and rests between two looks however often it is', async () => {
  const { clock, loop, looks } = setUp()
  loop.start()
  const from = clock.now()
  for (let turn = 0; turn < 500; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    loop.wake()
  }
  const spent = clock.now() - from
  expect(looks.length).toBeLessThanOrEqual(2 + spent / 99)
  const before = looks.length
  await expect.poll(() => looks.length, { interval: 5 }).toBeGreaterThan(before)
  await loop.stop()
  expect(looks.slice(1).every((at, index) => at - (looks[index] as number) > 98)).toBe(true)
})

test('looks again soon after it was woken also when the clock was set back meanwhile', async () => {
  const { clock, loop, looks } = setUp()
  loop.start()
  await expect.poll(() => looks.length).toBe(1)
  const now = clock.now.bind(clock)
  vi.spyOn(clock, 'now').mockImplementation(() => now() - 60 * minute)
  loop.wake()
  await expect.poll(() => looks.length, { interval: 5 }).toBe(2)
  await loop.stop()
})

test('asks for forecasts as often as ever when the clock is put back while it looks', async () => {
  const { actuator, clock, expectAt, loop } = setUp()
  expectAt(1_000)
  actuator.ready.add('n1')
  const now = clock.now.bind(clock)
  actuator.readinessOf = () => {
    vi.spyOn(clock, 'now').mockImplementation(() => now() - 60 * minute)
    return { answerStored: true }
  }
  const naps = vi.spyOn(clock, 'sleep')
  loop.start()
  await expect.poll(() => naps.mock.calls.length).toBeGreaterThan(0)
  await loop.stop()
  expect(Math.max(...naps.mock.calls.map(([ms]) => ms))).toBeLessThanOrEqual(5 * minute)
})

test('looks again at what it could not judge when the clock is put back', async () => {
  const { actuator, clock, expectAt, loop } = setUp()
  expectAt(1_000)
  let looks = 0
  actuator.readinessOf = () => {
    looks++
    throw new Error('table "gone" does not exist')
  }
  await loop.runOnce()
  await loop.runOnce()
  expect(looks).toBe(1)
  const now = clock.now.bind(clock)
  vi.spyOn(clock, 'now').mockImplementation(() => now() - 5 * minute)
  await loop.runOnce()
  expect(looks).toBe(2)
})

test('leaves nothing of its naps at the signal that lives as long as it does', async () => {
  const { loop } = setUp()
  const any = vi.spyOn(AbortSignal, 'any')
  loop.start()
  for (let turn = 0; turn < 5; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    loop.wake()
  }
  await loop.stop()
  expect(any).not.toHaveBeenCalled()
  any.mockRestore()
})

test('stops idle nodes after the keep-alive, but not while an allocation waits for its query', async () => {
  const { actuator, clock, expectAt, loop } = setUp()
  const idle = new IdleStop({ actuator, clock, keepAliveMs: 5 * minute, nodesMin: 0, wantedUntil: () => loop.wantedUntil() })
  const forecast = expectAt(1_000)
  await loop.runOnce()
  expect(actuator.ready.has('n1')).toBe(true)
  clock.skipTo(clock.now() + 6 * minute)
  await idle.runOnce(AbortSignal.timeout(1_000))
  expect(actuator.ready.has('n1')).toBe(true)
  clock.skipTo(forecast.until + 1)
  await loop.runOnce()
  await idle.runOnce(AbortSignal.timeout(1_000))
  expect(actuator.ready.has('n1')).toBe(false)
})

test('stops idle nodes after the keep-alive also when the time of day is put back', async () => {
  const { actuator, clock } = setUp()
  actuator.ready.add('n1')
  const idle = new IdleStop({ actuator, clock, keepAliveMs: 5 * minute, nodesMin: 0, wantedUntil: () => 0 })
  clock.skipTo(clock.now() + 6 * minute)
  const now = clock.now.bind(clock)
  vi.spyOn(clock, 'now').mockImplementation(() => now() - 60 * minute)
  expect(idle.dueAt()).toBeLessThan(clock.now())
  await idle.runOnce(AbortSignal.timeout(1_000))
  expect(actuator.ready.has('n1')).toBe(false)
})

test('counts an answer that did not fit as of no use, and leaves what was saved to the node', async () => {
  const { arrive, expectAt, ledger, loop } = setUp()
  expectAt(1_000)
  await loop.runOnce()
  arrive('q1', 300, false)
  const benefits = ledger.entries().map(({ action, measuredBenefitMs }) => [action, measuredBenefitMs])
  expect(Object.fromEntries(benefits)).toEqual({ precompute: 0, 'start-node': 500 })
})
