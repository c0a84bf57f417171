import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Admission } from '../../src/scheduler/admission.js'
import { place } from '../../src/scheduler/place.js'
import { Quarantine } from '../../src/scheduler/quarantine.js'
import { aggregatorWidths, evenRuns } from '../../src/scheduler/tree.js'

const base = { fanInMax: 32, aggregateRowsMin: 10_000, mergeBytesMax: 1e9, bytes: 1_000 }
const never = new AbortController().signal

describe('the tree', () => {
  it('has no aggregators for few small partials', () => {
    expect(aggregatorWidths({ ...base, mode: 'auto', partials: 8, rows: 50_000 })).toEqual([])
    expect(aggregatorWidths({ ...base, mode: 'always', partials: 7, rows: 50_000 })).toEqual([])
    expect(aggregatorWidths({ ...base, mode: 'always', partials: 9, rows: 9_000 })).toEqual([])
  })

  it('has at least two aggregators for eight leaves and ten thousand rows when a tree is asked for', () => {
    for (let partials = 8; partials <= 32; partials++) {
      const widths = aggregatorWidths({ ...base, mode: 'always', partials, rows: 10_000 })
      expect(widths.length).toBe(1)
      expect(widths[0]).toBeGreaterThanOrEqual(2)
    }
  })

  it('never gives a task more partials than the fan-in', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 2, max: 40 }), (partials, fanInMax) => {
        let inputs = partials
        for (const width of aggregatorWidths({ ...base, fanInMax, mode: 'auto', partials, rows: partials })) {
          for (const run of evenRuns(Array.from({ length: inputs }), width)) expect(run.length).toBeLessThanOrEqual(fanInMax)
          inputs = width
        }
        expect(inputs).toBeLessThanOrEqual(fanInMax)
      }),
      { seed: 20260131 },
    )
  })

  it('shares out everything once, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { maxLength: 100 }), fc.integer({ min: 1, max: 20 }), (items, width) => {
        expect(evenRuns(items, width).flat()).toEqual(items)
      }),
      { seed: 20260131 },
    )
  })
})

describe('placement', () => {
  const item = fc.record({ bytes: fc.integer({ min: 1, max: 1_000 }), warmOn: fc.subarray(['n1', 'n2', 'n3']) })

  it('places everything once, in order, and leaves no node idle that could have something', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), (items, count) => {
        const nodes = Array.from({ length: count }, (_, index) => `n${index + 1}`)
        const placed = place(items, nodes)
        expect([...placed.values()].flat().length).toBe(items.length)
        expect(placed.size).toBe(Math.min(count, items.length))
        for (const share of placed.values()) {
          expect(share.map((each) => items.indexOf(each)).toSorted((a, b) => a - b)).toEqual(
            share.map((each) => items.indexOf(each)),
          )
        }
      }),
      { seed: 20260131 },
    )
  })

  it('goes where it is warm while that keeps the shares even', () => {
    const items = Array.from({ length: 4 }, (_, index) => ({ bytes: 10, warmOn: [index < 2 ? 'n2' : 'n1'] }))
    const placed = place(items, ['n1', 'n2'])
    expect(placed.get('n2')).toEqual(items.slice(0, 2))
    const crowded = items.map((each) => ({ ...each, warmOn: ['n1'] }))
    expect(place(crowded, ['n1', 'n2']).get('n2')?.length).toBeGreaterThan(0)
  })
})

describe('admission', () => {
  const open = (): Admission => new Admission({ memoryBytes: 100, runningMax: 2, waitingMax: 3 })
  const demand = (queryId: string, memoryBytes: number, priority: 'interactive' | 'background' = 'interactive') => ({
    queryId,
    memoryBytes,
    priority,
  })

  it('reserves memory before a query runs, and says why one waits', async () => {
    const admission = open()
    const release = await admission.enter(demand('a', 80), never)
    const second = admission.enter(demand('b', 30_000_000), never)
    expect(admission.why('b')).toMatch(/^memory: /)
    expect(admission.reservedBytes).toBe(80)
    release()
    release()
    await second
    expect(admission.reservedBytes).toBe(100)
    expect(admission.running).toBe(1)
  })

  it('lets nothing small overtake what waits for memory', async () => {
    const admission = open()
    const release = await admission.enter(demand('a', 60), never)
    const order: string[] = []
    const big = admission.enter(demand('big', 90), never).then((done) => {
      order.push('big')
      done()
    })
    const small = admission.enter(demand('small', 10), never).then(() => order.push('small'))
    release()
    await Promise.all([big, small])
    expect(order).toEqual(['big', 'small'])
  })

  it('lets in what fits when a running query is found to need less, and never reserves more than there is', async () => {
    const admission = open()
    expect(admission.isIdle).toBe(true)
    const release = await admission.enter(demand('alone', Number.POSITIVE_INFINITY), never)
    expect(admission.isIdle).toBe(false)
    const order: string[] = []
    const second = admission.enter(demand('second', 60), never).then(() => order.push('second'))
    admission.resize('second', 1)
    admission.resize('alone', 70)
    expect(admission.waiting).toBe(1)
    admission.resize('alone', 40)
    await second
    expect(order).toEqual(['second'])
    expect(admission.reservedBytes).toBe(100)
    release()
    admission.resize('alone', 40)
    expect(admission.reservedBytes).toBe(60)
  })

  it('has everything to give again when all are gone, whatever fractions were predicted', async () => {
    const admission = new Admission({ memoryBytes: 20e9, runningMax: 8, waitingMax: 8 })
    for (let round = 0; round < 200; round++) {
      const alone = await admission.enter(demand('alone', Number.POSITIVE_INFINITY), never)
      admission.resize('alone', 1e9 / 3 + round / 7)
      const other = await admission.enter(demand('other', 64e6 / (round + 0.3)), never)
      alone()
      other()
      expect(admission.reservedBytes).toBe(0)
    }
  })

  it('lets in one query of an id at a time, and releases that one only', async () => {
    const admission = open()
    const release = await admission.enter(demand('a', 40), never)
    await expect(admission.enter(demand('a', 40), never)).rejects.toMatchObject({ code: 'INTERNAL' })
    release()
    const again = await admission.enter(demand('a', 30), never)
    release()
    expect([admission.running, admission.reservedBytes]).toEqual([1, 30])
    again()
    expect([admission.isIdle, admission.reservedBytes]).toEqual([true, 0])
  })

  it('refuses what would wait beyond the limit, and forgets what gives up', async () => {
    const admission = open()
    await admission.enter(demand('a', 100), never)
    const patience = new AbortController()
    const waiting = ['b', 'c', 'd'].map((id) => admission.enter(demand(id, 1), patience.signal))
    await expect(admission.enter(demand('e', 1), never)).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    patience.abort(new Error('given up'))
    for (const each of waiting) await expect(each).rejects.toThrow('given up')
    expect(admission.waiting).toBe(0)
  })

  it('tells prefetching work to give way at once', async () => {
    const admission = open()
    let told = 0
    await admission.enter({ ...demand('ahead', 0, 'background'), onPreempt: () => told++ }, never)
    await admission.enter(demand('query', 10), never)
    expect(told).toBe(1)
  })
})

describe('quarantine', () => {
  it('refuses a statement after its second death, for ten minutes', () => {
    let now = 0
    const quarantine = new Quarantine({ now: () => now })
    quarantine.blame('SELECT bad', 'n1 died of SIGSEGV')
    quarantine.check('SELECT bad')
    quarantine.blame('SELECT bad', 'n2 died of SIGSEGV')
    expect(() => quarantine.check('SELECT bad')).toThrow(/ended 2 nodes/)
    quarantine.check('SELECT good')
    now = 10 * 60_000
    quarantine.check('SELECT bad')
  })
})
