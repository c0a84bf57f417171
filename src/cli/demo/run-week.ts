/**
 * Runs one week of questions against a server on a virtual clock. While anything is under way (a query, an action, a node
 * starting or stopping, a pack being built) time runs 1:1; when all is quiet the clock is put forward to the next thing
 * that is due, the server's own timers included. Queries go over HTTP, as everybody's do.
 */
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as realSleep } from 'node:timers/promises'
import { request } from 'undici'
import type { HeldResources } from '../../model/forecast.js'
import type { NodeStatus } from '../../model/node.js'
import type { QueryStats } from '../../model/query.js'
import type { VirtualClock } from '../../model/virtual-clock.js'
import { ResourceMeter } from './resource-meter.js'
import { minuteMs, type WorkloadEvent } from './workload.js'

/** What the demo needs of a server in its own process, besides its URL. */
export interface WatchedServer {
  readonly url: string
  /** True when nothing is under way that time must wait for. */
  quiet(): boolean
  nodes(): readonly NodeStatus[]
}

/** One question and what became of it. */
export interface Asked {
  readonly at: number
  readonly tenant: string
  readonly sql: string
  readonly recurring: boolean
  /** The first question of anybody after at least half an hour without one. */
  readonly firstAfterIdle: boolean
  readonly waitMs: number
  readonly endedAt: number
  readonly queryId: string
  readonly stats: QueryStats
  /** A node ran and all blocks were warm, or the answer was there. */
  readonly ready: boolean
  /** The rows, to compare runs. */
  readonly rows: string
}

export interface Week {
  readonly asked: readonly Asked[]
  readonly held: HeldResources
}

export const idleMs = 30 * minuteMs

export interface WeekOptions {
  readonly server: WatchedServer
  readonly clock: VirtualClock
  readonly lake: string
  readonly events: readonly WorkloadEvent[]
  readonly until: number
  /** Ends the week at once: it is thrown. */
  readonly signal: AbortSignal
  readonly onProgress: (share: number) => void
}

export async function runWeek(options: WeekOptions): Promise<Week> {
  const { server, clock, events, lake, until, signal } = options
  const from = clock.now()
  const meter = new ResourceMeter(from)
  const pending = new Set<Promise<void>>()
  const asked: Asked[] = []
  let lastActivityAt = Number.NEGATIVE_INFINITY
  let failure: unknown

  const advanceTo = async (at: number): Promise<void> => {
    while (clock.now() < at) {
      signal.throwIfAborted()
      meter.sample(clock.now(), server.nodes())
      if (pending.size > 0 || !server.quiet() || server.nodes().some(isChanging)) {
        await realSleep(5)
        continue
      }
      clock.skipTo(at)
      // Whoever woke up at this time says so within a turn or two of the event loop.
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    meter.sample(clock.now(), server.nodes())
  }

  for (const event of events) {
    await advanceTo(event.at)
    if (failure !== undefined) throw failure
    options.onProgress((event.at - from) / (until - from))
    if (event.kind === 'load') {
      await rename(join(lake, '_incoming', `day=${event.day}`), join(lake, 'orders', `day=${event.day}`))
      // The server looks at its folder every few seconds, of which the next hours, skipped at once, have thousands.
      await lookAtFolder(server.url)
      continue
    }
    const firstAfterIdle = event.at - lastActivityAt >= idleMs
    lastActivityAt = event.at
    const question = ask(server.url, clock, event, firstAfterIdle, signal)
      .then((answer) => {
        asked.push(answer)
        lastActivityAt = Math.max(lastActivityAt, answer.endedAt)
      })
      .catch((error: unknown) => {
        failure ??= error
      })
      .finally(() => pending.delete(question))
    pending.add(question)
  }
  await Promise.all(pending)
  await advanceTo(until)
  if (failure !== undefined) throw failure
  return { asked: asked.toSorted((a, b) => a.at - b.at), held: meter.held() }
}

/** What a node holds changes while it starts or stops. */
function isChanging({ state }: NodeStatus): boolean {
  return state === 'starting' || state === 'draining' || state === 'stopping'
}

/** A list of the tables is made from a fresh look at the data folder. */
async function lookAtFolder(url: string): Promise<void> {
  const response = await request(`${url}/v1/tables`)
  await response.body.dump()
}

async function ask(
  url: string,
  clock: VirtualClock,
  event: Extract<WorkloadEvent, { kind: 'query' }>,
  firstAfterIdle: boolean,
  signal: AbortSignal,
): Promise<Asked> {
  const startedAt = clock.monotonic()
  const response = await request(`${url}/v1/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sql: event.sql, tenant: event.tenant }),
    signal,
  })
  const answer = (await response.body.json()) as {
    queryId: string
    rows: unknown[]
    stats: QueryStats
    error?: { code: string; message: string }
  }
  if (answer.error !== undefined) throw new Error(`${answer.error.code}: ${answer.error.message} in ${event.sql}`)
  const waitMs = clock.monotonic() - startedAt
  const { stats } = answer
  return {
    at: event.at,
    tenant: event.tenant,
    sql: event.sql,
    recurring: event.recurring,
    firstAfterIdle,
    waitMs,
    endedAt: clock.now(),
    queryId: answer.queryId,
    stats,
    ready: stats.reused || (stats.queuedMs < 50 && stats.tiers.parquet === 0),
    rows: JSON.stringify(answer.rows),
  }
}
