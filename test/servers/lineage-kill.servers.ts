import { createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Recorder } from '../../src/lineage/recorder.js'
import type { LineageEvent } from '../../src/model/lineage-event.js'
import { lineageStores } from '../../src/server/lineage-stores.js'
import { baseRead, noon, output, snapshotEvent, taskEvent } from '../lineage/lineage-fixtures.js'
import { openTestRecorder } from '../lineage/open-lineage.js'
import { startStopwatch } from '../support/stopwatch.js'
import { signalServer, startServer, useServer } from './support.js'

/** `FOREBAY_KILLS=20 FOREBAY_DOWN_MS=60000` is the whole measure; the defaults keep the suite short. */
const kills = Number(process.env['FOREBAY_KILLS'] ?? 3)
const downMs = Number(process.env['FOREBAY_DOWN_MS'] ?? 5_000)
const eventsPerSecond = 1_000
const tickMs = 20

for (const { name, server, url } of [
  { name: 'neo4j', server: 'neo4j', url: () => useServer('neo4j').urls['bolt'] ?? '' },
  { name: 'neo4j', server: 'neo4j-2026', url: () => useServer('neo4j-2026').urls['bolt'] ?? '' },
  { name: 'janusgraph', server: 'janusgraph', url: () => useServer('janusgraph').urls['gremlin'] ?? '' },
]) {
  describe(`a recorder with ${server}`, () => {
    it(
      `loses and doubles nothing when the server is killed ${kills} times and away for ${downMs} ms`,
      async ({ signal }) => {
        const recorder = await openTestRecorder({ stores: lineageStores([url()]) })
        await recorder.rebuild(name)
        const load = new Load(recorder, signal)
        const calm = await load.during(() => pause(3_000))
        const troubled = await load.during(async () => {
          for (let kill = 0; kill < kills; kill++) {
            signal.throwIfAborted()
            await pause(500 + ((kill * 379) % 1_000))
            signalServer(server, 'SIGKILL')
            await startServer(server)
          }
          signalServer(server, 'SIGKILL')
          await pause(downMs)
          await startServer(server)
        })
        const back = performance.now()
        await recorder.projected()
        await expect.poll(() => recorder.lag()[name], { timeout: 60_000, interval: 50 }).toBe(0)
        const caughtUpMs = performance.now() - back
        const report = await recorder.verify(name)
        console.log(JSON.stringify({ name, kills, downMs, sent: load.sent, calm, troubled, caughtUpMs, ...report }))
        expect(report).toMatchObject({ identical: true, events: load.sent + 1 })
        expect(recorder.lag()).toMatchObject({ sqlite: 0, [name]: 0 })
      },
      240_000 + kills * 60_000 + downMs * 2,
    )
  })
}

describe('a graph database that accepts and never answers', () => {
  it('keeps nobody waiting but its own projection', async ({ signal }) => {
    const sockets: Socket[] = []
    const hanging = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
    })
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
    const { port } = hanging.address() as { port: number }
    const recorder = await openTestRecorder({
      stores: lineageStores([`neo4j://a:b@127.0.0.1:${port}`, `gremlin://127.0.0.1:${port}`]),
    })
    const load = new Load(recorder, signal)
    await load.during(() => pause(2_000))
    await recorder.projected()
    await expect.poll(() => sockets.length, { timeout: 30_000 }).toBeGreaterThan(1)
    const { length } = load
    expect(recorder.lag()).toEqual({ sqlite: 0, neo4j: length, janusgraph: length })
    const closedInMs = startStopwatch()
    await recorder.close()
    expect(closedInMs()).toBeLessThan(10_000)
    for (const socket of sockets) socket.destroy()
    hanging.close()
  })
})

/** Records events at a steady rate, as nodes do: each call waits for its own fsync, none for another. Ends with its test. */
class Load {
  readonly #recorder: Recorder
  readonly #signal: AbortSignal
  sent = 0

  constructor(recorder: Recorder, signal: AbortSignal) {
    this.#recorder = recorder
    this.#signal = signal
  }

  /** Events in the log. */
  get length(): number {
    return this.sent + 1
  }

  /** Milliseconds to the acknowledgement, p50 and p99, while something goes on. */
  async during(work: () => Promise<unknown>): Promise<{ readonly p50: number; readonly p99: number }> {
    await this.#recorder.record([snapshotEvent('S1', 't', 64)])
    const waits: number[] = []
    const pending = new Set<Promise<unknown>>()
    const began = performance.now()
    const before = this.sent
    const ended = new AbortController()
    const refused: unknown[] = []
    const done = work().finally(() => ended.abort())
    done.catch(() => {}) // it is awaited below, when the load has ended
    while (!ended.signal.aborted && !this.#signal.aborted && refused.length === 0) {
      const due = before + Math.floor(((performance.now() - began) / 1000) * eventsPerSecond)
      const events = [...Array(Math.max(0, due - this.sent)).keys()].map(() => someTask(this.sent++))
      const from = performance.now()
      const recorded = this.#recorder
        .record(events)
        .then(
          () => {
            if (events.length > 0) waits.push(performance.now() - from)
          },
          (error: unknown) => refused.push(error),
        )
        .finally(() => pending.delete(recorded))
      pending.add(recorded)
      await pause(tickMs)
    }
    await Promise.all(pending)
    if (refused.length > 0) throw refused[0]
    this.#signal.throwIfAborted()
    await done
    const sorted = waits.toSorted((a, b) => a - b)
    return { p50: sorted[Math.floor(sorted.length / 2)] ?? 0, p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0 }
  }
}

function someTask(number: number): LineageEvent {
  return taskEvent(`q-${number}-leaf#1`, {
    node: `n${number % 4}`,
    base: [baseRead('S1', 't', [number % 64, (number * 7) % 64])],
    output: output(`d-${number % 500}`),
    queryId: `q-${number}`,
    template: `T${number % 20}`,
    at: noon + number,
  })
}
