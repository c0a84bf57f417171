/**
 * A discrete-event simulation of one company's engine, driven by the decision code that the server runs: ProactiveLoop, IdleStop, Ledger,
 * Rights and Arrivals are the real ones; only time, nodes and queries are simulated. What a query takes is given: the start of a node,
 * a run on cold data (first of its template since its node started), on warm data, and an answer from the store.
 */
import { Budget } from '../../dist/allocate/budget.js'
import { IdleStop } from '../../dist/allocate/idle-stop.js'
import { Ledger } from '../../dist/allocate/ledger.js'
import { defaultPrices } from '../../dist/allocate/price.js'
import { ProactiveLoop } from '../../dist/allocate/proactive-loop.js'
import { ReferenceWait } from '../../dist/allocate/reference-wait.js'
import { Rights } from '../../dist/allocate/rights.js'
import { Timings } from '../../dist/allocate/timings.js'
import { TrackRecord } from '../../dist/allocate/track-record.js'
import { Arrivals } from '../../dist/predict/arrivals/arrivals.js'

/** Milliseconds of one query, and what a node holds; near what `npm run demo` measures on two cores. */
export const costs = { startMs: 400, coldMs: 120, warmMs: 35, storedMs: 6, cpuMs: 60, nodeBytes: 1e9, queryBytes: 2e8, slots: 4 }

const hourMs = 3_600_000
const napMsMax = 5 * 60_000

/**
 * Runs `events` (`{ at, tenant, sql, recurring }` and `{ at, load: true }`, ascending) after learning `history`. `mode` is proactive or
 * reactive; `keepAliveMs` Infinity is always on. Gives every wait, what was held, and the ledger's sums and last lines. Each
 * question's outcome goes to `onAsked`.
 */
export async function simulate(options) {
  const { history, events, mode, keepAliveMs, from, until } = options
  const heldOut = new Set()
  const company = new Company({ nodes: 1, costs, fingerprintOf: templateOf, onAsked: () => {}, ...options })
  const proactive = mode === 'proactive' ? openLoop(company, { ablate: [], heldOutShare: 0.02, ...options }, heldOut) : undefined
  if (proactive !== undefined) {
    for (const event of history) proactive.learn(event)
  }
  const idle = new IdleStop({
    actuator: company,
    clock: company.clock,
    keepAliveMs: Number.isFinite(keepAliveMs) ? keepAliveMs : 0,
    nodesMin: 0,
    wantedUntil: () => proactive?.loop.wantedUntil() ?? 0,
  })
  const signal = new AbortController().signal
  let next = 0
  let lookAt = proactive === undefined ? Number.POSITIVE_INFINITY : from
  for (;;) {
    const eventAt = events[next]?.at ?? Number.POSITIVE_INFINITY
    const endAt = company.ending[0]?.endAt ?? Number.POSITIVE_INFINITY
    const stopAt = company.anyUp ? idle.dueAt() : Number.POSITIVE_INFINITY
    const at = Math.min(eventAt, endAt, Math.max(stopAt, company.at), lookAt)
    if (at > until || at === Number.POSITIVE_INFINITY) break
    company.at = Math.max(company.at, at)
    if (endAt <= at) {
      const done = popEnding(company.ending)
      company.running--
      idle.touch()
      proactive?.loop.completed({ ...done.arrival, waitMs: done.endAt - done.arrival.at, answeredFromStore: done.stored })
      // The server looks again when a query has ended; a burst is looked at once.
      if (proactive !== undefined && company.running === 0) lookAt = Math.min(lookAt, company.at + 1000)
    } else if (eventAt <= at) {
      const event = events[next++]
      if (event.load) {
        company.version++
        proactive?.written()
        if (proactive !== undefined) lookAt = company.at
      } else {
        idle.touch()
        proactive?.arrived(event, next)
        company.ask(event, next)
      }
    } else if (stopAt <= at) await idle.runOnce(signal)
    else if (proactive !== undefined)
      lookAt = Math.max(company.at + 1000, Math.min(await proactive.loop.runOnce(signal), company.at + napMsMax))
  }
  company.at = until
  return { ...company.result(heldOut), ledger: proactive?.ledger.totals() ?? [], entries: proactive?.ledger.entries() ?? [] }
}

function openLoop(company, { ablate, heldOutShare, keepAliveMs }, heldOut) {
  const arrivals = new Arrivals()
  const ledger = new Ledger(({ outcome, queryId }) => {
    if (outcome === 'held-out' && queryId !== undefined) heldOut.add(queryId)
  })
  const keep = (forecast) =>
    !(ablate.includes('lineage') && forecast.source === 'trigger') &&
    !(ablate.includes('arrivals') && forecast.source !== 'trigger')
  const refused = ablate.includes('prefetch') ? ['precompute', 'build-pack', 'warm-pack'] : []
  const rights = new Rights(defaultPrices)
  const allowed = { record: (entry) => rights.record(entry), mayAct: (kind) => !refused.includes(kind) && rights.mayAct(kind) }
  const loop = new ProactiveLoop({
    mode: 'on',
    clock: company.clock,
    actuator: company,
    forecast: (now, horizonMs) => arrivals.forecast(now, horizonMs).filter(keep),
    ledger,
    budget: new Budget({
      windowMs: 24 * hourMs,
      byteSeconds: (company.slots.length * company.costs.nodeBytes * 86_400) / 2,
      cpuSeconds: 21_600,
    }),
    prices: defaultPrices,
    rights: allowed,
    timings: new Timings(),
    reference: new ReferenceWait(),
    record: new TrackRecord(),
    heldOutShare,
    nodesStop: true,
    lastNodeStopsAfterMs: keepAliveMs,
    horizonMs: 6 * hourMs,
    marginMs: 3000,
    onError: (error) => {
      throw error
    },
  })
  const observe = (event) =>
    arrivals.observe({
      at: event.at,
      tenant: event.tenant,
      fingerprint: company.fingerprintOf(event.sql),
      sql: event.sql,
      params: {},
      timeZone: 'UTC',
      literals: event.sql,
      datasets: ['orders'],
    })
  return {
    loop,
    ledger,
    learn: (event) => (event.load ? arrivals.written('orders', event.at) : observe(event)),
    written() {
      if (ablate.includes('lineage')) return
      arrivals.written('orders', company.at)
      loop.datasetChanged('orders')
    },
    arrived(event, number) {
      observe(event)
      loop.arrived({ queryId: `q-${number}`, tenant: event.tenant, template: company.fingerprintOf(event.sql), at: event.at })
    },
  }
}

const templates = new Map()
/** A query's text without its literals; what was looked at lately is not looked at again. */
export function templateOf(sql) {
  const known = templates.get(sql)
  if (known !== undefined) return known
  const template = sql.replace(/'[^']*'|\b\d+\b/g, '?')
  if (templates.size > 1000) templates.clear()
  templates.set(sql, template)
  return template
}

/** What is done takes no time of the simulation's clock while it is awaited, so nothing that is waited for beside it falls due. */
function untilEnded(_ms, signal) {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

/** The simulated engine: an Actuator for the decision code, and the clock that it asks. */
class Company {
  at
  version = 0
  running = 0
  ending = []
  clock = { now: () => this.at, monotonic: () => this.at, sleep: untilEnded }
  #waits = []
  #firstWaits = []
  #stored = new Map()
  #cpuMs = 0
  #upMs = 0
  #lastAt = Number.NEGATIVE_INFINITY
  #nodesAtOnce = 0
  #onAsked

  constructor({ nodes, keepAliveMs, from, costs, fingerprintOf, onAsked }) {
    this.at = from
    this.costs = costs
    this.fingerprintOf = fingerprintOf
    this.#onAsked = onAsked
    this.slots = Array.from({ length: nodes }, (_, i) => ({
      id: `n${i + 1}`,
      up: false,
      since: 0,
      readyAt: 0,
      free: [],
      warm: new Set(),
    }))
    if (!Number.isFinite(keepAliveMs)) for (const slot of this.slots) this.#start(slot, 0)
  }

  get anyUp() {
    return this.slots.some((slot) => slot.up)
  }

  nodes() {
    return this.slots.map(({ id, up }) => ({
      id,
      kind: 'duckdb',
      state: up ? 'ready' : 'absent',
      memoryLimitBytes: this.costs.nodeBytes,
    }))
  }

  busy() {
    return this.running > 0
  }

  async readiness({ sql }) {
    const template = this.fingerprintOf(sql)
    const up = this.slots.filter((slot) => slot.up)
    const answerStored = this.#stored.get(sql) === this.version
    const warm = up.some((slot) => slot.warm.has(template))
    return {
      fingerprint: template,
      version: String(this.version),
      answerStored,
      repeatable: true,
      datasets: ['orders'],
      segments: [],
      bytes: this.costs.queryBytes,
      nodes: [],
      absentNodes: up.length > 0 ? [] : [{ node: 'n1', memoryBytes: this.costs.nodeBytes }],
      missingPacks: [],
      coldPacks: warm ? [] : [{ pack: template, node: 'n1', columns: [], bytes: this.costs.queryBytes / 4 }],
      coldMs: this.costs.coldMs,
      warmMs: this.costs.warmMs,
      storedMs: this.costs.storedMs,
      cpuMs: this.costs.cpuMs,
      memoryBytes: this.costs.queryBytes,
    }
  }

  async startNode(node) {
    const slot = this.slots.find(({ id }) => id === node)
    if (!slot.up) this.#start(slot, this.costs.startMs)
    return { cpuMs: this.costs.startMs / 2, wallMs: this.costs.startMs, heldBytes: this.costs.nodeBytes }
  }

  async stopNode(node) {
    const slot = this.slots.find(({ id }) => id === node)
    slot.up = false
    this.#upMs += this.at - slot.since
  }

  async warmPack(pack) {
    for (const slot of this.slots) if (slot.up) slot.warm.add(pack)
    this.#cpuMs += this.costs.cpuMs / 3
    return { cpuMs: this.costs.cpuMs / 3, wallMs: this.costs.coldMs, heldBytes: this.costs.queryBytes / 4 }
  }

  async buildPack() {
    throw new Error('no pack is missing here')
  }

  /** Needs a node, as any query does. */
  async precompute({ sql }) {
    const wallMs = this.costs.coldMs + (this.anyUp ? 0 : this.costs.startMs)
    if (!this.anyUp) this.#start(this.slots[0], this.costs.startMs)
    this.#stored.set(sql, this.version)
    this.#cpuMs += this.costs.cpuMs
    return { cpuMs: this.costs.cpuMs, wallMs, heldBytes: 1e5 }
  }

  /** A query comes: the node that is free first takes it. */
  ask({ sql, tenant, recurring }, number) {
    const template = this.fingerprintOf(sql)
    const stored = this.#stored.get(sql) === this.version
    let beginAt = this.at
    let takes = this.costs.storedMs
    if (!stored) {
      if (!this.anyUp) this.#start(this.slots[0], this.costs.startMs)
      let slot = this.#freest()
      // All are busy: another node is started, up to what the company has.
      const another = this.slots.find((other) => !other.up)
      if (another !== undefined && Math.min(...slot.free) > this.at + this.costs.startMs) {
        this.#start(another, this.costs.startMs)
        slot = another
      }
      const place = slot.free.indexOf(Math.min(...slot.free))
      beginAt = Math.max(this.at, slot.readyAt, slot.free[place])
      takes = slot.warm.has(template) ? this.costs.warmMs : this.costs.coldMs
      slot.free[place] = beginAt + takes
      slot.warm.add(template)
      this.#stored.set(sql, this.version)
      this.#cpuMs += takes / 2
    }
    const endAt = beginAt + takes
    const waitMs = endAt - this.at
    this.#waits.push(waitMs)
    this.#onAsked({
      at: this.at,
      tenant,
      sql,
      recurring,
      waitMs,
      ready: stored || (beginAt === this.at && takes === this.costs.warmMs),
    })
    if (recurring && this.at - this.#lastAt >= firstAfterMs) this.#firstWaits.push({ queryId: `q-${number}`, waitMs })
    this.#lastAt = this.at
    this.running++
    pushEnding(this.ending, { endAt, stored, arrival: { queryId: `q-${number}`, tenant, template, at: this.at } })
  }

  #freest() {
    let best
    for (const slot of this.slots) {
      if (slot.up && (best === undefined || Math.min(...slot.free) < Math.min(...best.free))) best = slot
    }
    return best
  }

  #start(slot, ms) {
    Object.assign(slot, {
      up: true,
      since: this.at,
      readyAt: this.at + ms,
      free: Array.from({ length: this.costs.slots }, () => 0),
      warm: new Set(),
    })
    this.#cpuMs += ms / 2
    this.#nodesAtOnce = Math.max(this.#nodesAtOnce, this.slots.filter(({ up }) => up).length)
  }

  /** First waits leave out the queries that were held out on purpose. */
  result(heldOut) {
    for (const slot of this.slots) if (slot.up) this.#upMs += this.at - slot.since
    return {
      waits: this.#waits,
      firstWaits: this.#firstWaits.filter(({ queryId }) => !heldOut.has(queryId)).map(({ waitMs }) => waitMs),
      byteSeconds: (this.#upMs / 1000) * this.costs.nodeBytes,
      cpuSeconds: this.#cpuMs / 1000,
      nodesAtOnce: this.#nodesAtOnce,
    }
  }
}

/** A first query comes after so long without any. */
const firstAfterMs = 30 * 60_000

function pushEnding(heap, item) {
  let place = heap.push(item) - 1
  while (place > 0) {
    const parent = (place - 1) >> 1
    if (heap[parent].endAt <= item.endAt) break
    heap[place] = heap[parent]
    place = parent
  }
  heap[place] = item
}

function popEnding(heap) {
  const [top] = heap
  const last = heap.pop()
  if (heap.length === 0) return top
  let place = 0
  for (let child = 1; child < heap.length; child = 2 * place + 1) {
    if (child + 1 < heap.length && heap[child + 1].endAt < heap[child].endAt) child++
    if (last.endAt <= heap[child].endAt) break
    heap[place] = heap[child]
    place = child
  }
  heap[place] = last
  return top
}
