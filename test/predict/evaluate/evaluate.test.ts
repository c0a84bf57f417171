import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, vi } from 'vitest'
import { HourlyActivity } from '../../../src/predict/arrivals/hourly-activity.js'
import { renderEvaluation } from '../../../src/predict/evaluate/render-evaluation.js'
import { renderHtml } from '../../../src/predict/evaluate/render-html.js'
import { ArrivalsReplay } from '../../../src/predict/evaluate/replay-arrivals.js'
import { CacheReplay } from '../../../src/predict/evaluate/replay-cache.js'
import { NextQueryReplay } from '../../../src/predict/evaluate/replay-next-query.js'
import { RunTimeReplay } from '../../../src/predict/evaluate/replay-run-time.js'
import { runEvaluate } from '../../../src/predict/evaluate/run-evaluate.js'
import type { LoggedQuery } from '../../../src/predict/log-line.js'
import { normal, seeded } from '../seeded.js'

interface Line {
  at: number
  tenant: string
  template: string
  args: readonly number[]
  kind: 'read' | 'write'
  reads: { segment: string; bytes: number }[]
  durationMs: number
  queuedMs: number
}

/** A log with known truth: duration = template × bytes × load × noise. */
function generated(count: number, seed = 1): Line[] {
  const random = seeded(seed)
  const lines: Line[] = []
  let at = 1_700_000_000_000
  for (let i = 0; i < count; i++) {
    at += Math.round(-Math.log(1 - random()) * 2000)
    const tenant = Math.floor(random() * 5)
    const template = Math.floor(random() * 6)
    const bytes = 1e7 * 4 ** tenant
    const running = lines.filter((line) => line.at <= at && line.at + line.durationMs > at).length
    const durationMs = Math.round(
      200 * (1 + template) * (bytes / 1e7) ** 0.5 * (1 + running * 0.1) * Math.exp(0.15 * normal(random)),
    )
    lines.push({
      at,
      tenant: `db${tenant}`,
      template: `q${template}`,
      args: [Math.floor(random() * 50)],
      kind: 'read',
      reads: [{ segment: `db${tenant}/t${template % 3}`, bytes }],
      durationMs,
      queuedMs: random() < 0.1 ? Math.round(500 * random()) : 0,
    })
  }
  return lines
}

async function written(lines: readonly unknown[], zipped = false): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'forebay-evaluate-')), 'log.ndjson')
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')
  await writeFile(path, zipped ? gzipSync(text) : text)
  return path
}

describe('evaluating a query log', () => {
  it('predicts durations better than simple rules, with intervals that hold', async () => {
    const evaluation = await runEvaluate({ path: await written(generated(800)) })
    const arrival = evaluation.runtime?.arrival
    expect(evaluation).toMatchObject({ queries: 800, scored: 500, badLines: { count: 0 } })
    expect(arrival?.qErrorP50).toBeLessThan(1.2)
    expect(arrival?.qErrorP90).toBeLessThan(1.5)
    for (const baseline of ['globalMedian', 'templateMedian', 'exactRepeatCache'] as const) {
      expect(arrival?.qErrorP50).toBeLessThan(arrival?.baselines[baseline].qErrorP50 as number)
    }
    expect(evaluation.interval?.arrival.coverage).toBeGreaterThan(0.86)
    expect(evaluation.interval?.arrival.coverage).toBeLessThan(0.94)
    expect(renderEvaluation(evaluation)).toContain('q-error at arrival')
  }, 60_000)

  it('finds lineage worth its bytes on databases never learned from, and reports it in one file with plots', async () => {
    const evaluation = await runEvaluate({ path: await written(generated(500)) })
    const { newTenant, newTemplate } = evaluation.coldStarts ?? {}
    expect(newTenant?.withLineage.qErrorP50).toBeLessThan(newTenant?.withoutLineage.qErrorP50 as number)
    expect(newTenant?.withLineage.begunInTrace.qErrorP50).toBeLessThan(newTenant?.withoutLineage.begunInTrace.qErrorP50 as number)
    // Of six shapes each is left out once, and five are learned from.
    expect(newTemplate?.withLineage.qErrorP90).toBeLessThan(4)
    const html = renderHtml(evaluation, '<script>alert(1)</script>.ndjson')
    expect(html.match(/<figure><svg/g)).toHaveLength(3)
    expect(html).toContain('Forebay on &#60;script&#62;')
    expect(html).not.toMatch(/<script|src=|href=|NaN|undefined/)
  }, 60_000)

  it('prints fixed keep-alives, the queries of the warm-up and what it costs to be fast', async () => {
    const fast = await runEvaluate({ path: await written(generated(400)), fast: true })
    const shown = renderEvaluation(fast)
    expect(shown).toMatch(/^10 s +\d+\.\d % +\d+\.\d %$/m)
    expect(shown).toMatch(/^300 s +\d+\.\d % +\d+\.\d %$/m)
    expect(shown).toContain(`from the first query on  ${fast.runtime?.arrival.withoutWarmUp.qErrorP50?.toFixed(2)}`)
    expect(shown).toMatch(/^fast: the regression alone; .* 2, 6 and 12 %/m)
    expect(renderEvaluation({ ...fast, configuration: { fast: false, ablate: [] } })).not.toContain('fast:')
  })

  it('gives the same figures again, zipped or not', async () => {
    const lines = generated(400)
    const strip = ({ runtime, interval, cache, nextQuery, arrivals }: Awaited<ReturnType<typeof runEvaluate>>) => ({
      runtime,
      interval,
      cache,
      nextQuery,
      arrivals,
    })
    const plain = await runEvaluate({ path: await written(lines) })
    const zipped = await runEvaluate({ path: await written(lines, true) })
    expect(strip(zipped)).toEqual(strip(plain))
  }, 60_000)

  it('counts and names bad lines, and goes on', async () => {
    const [first, second, ...rest] = generated(20) as [Line, Line, ...Line[]]
    const path = await written([first, 'not json', { ...second, at: 'yesterday' }, ...rest, { ...first, at: 1 }, '[]', ''])
    const evaluation = await runEvaluate({ path, fast: true })
    expect(evaluation.queries).toBe(19)
    expect(evaluation.badLines).toEqual({
      count: 4,
      first: [
        { line: 2, reason: 'is not JSON' },
        { line: 3, reason: '`at` is not a time in epoch milliseconds' },
        { line: 22, reason: '`at` is before that of the line above' },
        { line: 23, reason: 'is not an object' },
      ],
    })
  })

  it('leaves out one line of the far future, not all that follow', async () => {
    const lines = generated(20) as Line[]
    const [one, two] = [lines[5], lines[12]] as [Line, Line]
    const far = [
      ...lines.slice(0, 6),
      { ...one, at: 8e15 },
      { ...one, at: 1 },
      ...lines.slice(6, 13),
      { ...two, at: 7e12 },
      ...lines.slice(13),
    ]
    const evaluation = await runEvaluate({ path: await written(far), fast: true })
    expect(evaluation.queries).toBe(20)
    expect(evaluation.badLines.first).toEqual([
      { line: 8, reason: '`at` is before that of the line above' },
      { line: 7, reason: '`at` is after that of the line below' },
      { line: 16, reason: '`at` is after that of the line below' },
    ])
    const first = await runEvaluate({ path: await written([{ ...one, at: 8e15 }, ...lines]), fast: true })
    expect(first).toMatchObject({ queries: 20, badLines: { count: 1, first: [{ line: 1 }] } })
    const [early, late] = [lines[0] as Line, { ...(lines[0] as Line), at: (lines[0] as Line).at + 1 }]
    const swapped = await runEvaluate({ path: await written([late, early, ...lines.slice(1)]), fast: true })
    expect(swapped).toMatchObject({ queries: 20, badLines: { count: 1, first: [{ line: 2 }] } })
    const later = lines.map((line, i) => (i < 10 ? line : { ...line, at: line.at + 30 * 86_400_000 }))
    expect(await runEvaluate({ path: await written(later), fast: true })).toMatchObject({ queries: 20, badLines: { count: 0 } })
  })

  it('reads past a byte order mark, and names amounts that are no measure', async () => {
    const [first, second, third, fourth] = generated(4) as [Line, Line, Line, Line]
    const huge = { ...third, reads: [{ segment: 's', bytes: 1e300 }] }
    const path = await written([`\ufeff${JSON.stringify(first)}`, { ...second, durationMs: 1e300 }, huge, fourth])
    const evaluation = await runEvaluate({ path, fast: true })
    expect(evaluation.queries).toBe(2)
    expect(evaluation.badLines.first).toEqual([
      { line: 2, reason: '`durationMs` is above 1e18' },
      { line: 3, reason: '`bytes` in `reads` is above 1e18' },
    ])
  })

  it('names a file that is missing, empty or no log', async () => {
    await expect(runEvaluate({ path: '/nowhere/log.ndjson' })).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    await expect(runEvaluate({ path: await written([]) })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(runEvaluate({ path: await written(['hello']) })).rejects.toThrow('line 1 is not JSON')
  })

  it('finds lineage worth its bytes where tenants differ in size', async () => {
    const path = await written(generated(600))
    const withBytes = await runEvaluate({ path, fast: true })
    const without = await runEvaluate({ path, fast: true, ablate: ['lineage', 'arrivals'] })
    expect(withBytes.runtime?.arrival.qErrorP50).toBeLessThan(without.runtime?.arrival.qErrorP50 as number)
    expect(without.arrivals).toBeNull()
  })
})

it('is causal: scrambling what is not visible yet changes no prediction', () => {
  const lines = generated(420, 9)
  const cut = (lines[330] as Line).at
  const random = seeded(10)
  // After the cut everything differs: arrivals, and durations of what had not ended by then.
  const scrambled = lines.map((line) => {
    if (line.at > cut) return { ...line, template: 'q5', tenant: 'db0', durationMs: Math.round(1e5 * random()) }
    const unseen = line.at + line.queuedMs + line.durationMs >= cut
    return unseen ? { ...line, durationMs: cut - line.at - line.queuedMs + Math.round(1e5 * random()) } : line
  })
  expect(predictions(scrambled, cut)).toEqual(predictions(lines, cut))
  expect(predictions(lines, cut).length).toBeGreaterThan(300)
})

/** Everything said up to `cut`, with all models and refits. */
function predictions(lines: readonly Line[], cut: number): readonly number[] {
  const said: number[] = []
  const replay = new RunTimeReplay({
    fast: false,
    withoutLineage: false,
    withoutHistory: false,
    monotonic: () => 0,
    onPrediction: (at, { log, scale, bounds }) => {
      if (at <= cut) said.push(at, log, scale, bounds.low, bounds.high)
    },
  })
  for (const line of lines) replay.add({ ...line, line: 'query', args: JSON.stringify(line.args) })
  replay.finish()
  return said
}

describe('hourly activity', () => {
  const hour = 3_600_000
  function replay(activeAt: (tenant: number, hour: number, random: () => number) => boolean, hours = 24 * 7 * 8) {
    const random = seeded(2)
    const arrivals = new ArrivalsReplay()
    for (let h = 0; h < hours; h++) {
      for (let tenant = 0; tenant < 20; tenant++) {
        const count = activeAt(tenant, h, random) ? 5 : 0
        arrivals.add({ line: 'activity', at: h * hour, periodMs: hour, tenant: `c${tenant}`, count })
      }
    }
    return arrivals.finish()
  }

  it('warms sleepers before their usual hours, at little extra', () => {
    const report = replay((tenant, h, random) => {
      const weekday = Math.floor(h / 24) % 7
      const local = h % 24
      const habit = weekday < 5 && local >= 7 + (tenant % 4) && local < 17
      return habit ? random() < 0.92 : random() < 0.01
    })
    expect(report.warmFirstShare).toBeGreaterThan(0.6)
    expect(report.extraWarmShare).toBeLessThan(0.1)
    expect(report.baselines.oracle).toMatchObject({ warmFirstShare: 1, extraWarmShare: 0 })
    expect(report.baselines.persistence?.warmFirstShare).toBe(0)
  })

  it('expects the same of every tenant, whatever the others do in that hour', () => {
    const scrambled = 24 * 7 * 3 + 9
    const expectedWhere = (comes: (tenant: number) => boolean) => {
      const asked = vi.spyOn(HourlyActivity.prototype, 'expect')
      replay((tenant, h, random) => (h === scrambled ? comes(tenant) : h % 24 === 9 || random() < 0.01), scrambled + 1)
      const said = asked.mock.results.filter((_, i) => asked.mock.calls[i]?.[1] === scrambled).map(({ value }) => value)
      asked.mockRestore()
      return said
    }
    const said = expectedWhere(() => true)
    expect(said).toHaveLength(20)
    expect(expectedWhere((tenant) => tenant === 19)).toEqual(said)
  })

  it('spends next to nothing on random arrivals', () => {
    const report = replay((_, __, random) => random() < 0.05)
    expect(report.extraWarmShare).toBeLessThan(0.02)
  })
})

describe('caches', () => {
  function cacheOf(count: number, pick: (i: number, random: () => number) => { name: string; bytes: number }) {
    const replay = new CacheReplay()
    const random = seeded(11)
    for (let i = 0; i < count; i++) {
      const { name, bytes } = pick(i, random)
      replay.add(name, bytes)
    }
    return replay.finish()
  }

  it('is never below LRU and never above the optimum', () => {
    for (const skew of [1, 2, 4]) {
      const report = cacheOf(6000, (_, random) => {
        const id = Math.floor(400 * random() ** skew)
        return { name: `s${id}`, bytes: 1000 * (1 + (id % 7)) }
      })
      expect(report?.objectHit.ours).toBeGreaterThanOrEqual((report?.objectHit.lru as number) - 0.005)
      for (const policy of ['lru', 'lfu', 's3fifo', 'gdsf', 'ours'] as const) {
        expect(report?.objectHit[policy]).toBeLessThanOrEqual(report?.objectHit.optimal as number)
      }
    }
  })

  it('goes further than any published rule, whether popularity stands still, moves or is swept by scans', () => {
    const shapes = [
      { drift: 0, scan: 0 },
      { drift: 0.01, scan: 0 },
      { drift: 0, scan: 0.3 },
    ]
    for (const { drift, scan } of shapes) {
      const report = cacheOf(12_000, (i, random) => {
        const swept = random() < scan
        const id = swept ? i % 900 : 10_000 + Math.floor(1500 * random() ** 4 + drift * i)
        return { name: `s${id}`, bytes: 1000 * Math.round(Math.exp(6 * (Math.imul(id, 0x9e3779b1) >>> 0) * 2 ** -32)) }
      })
      for (const policy of ['lru', 'lfu', 's3fifo', 'gdsf'] as const) {
        expect(report?.objectHit.ours).toBeGreaterThanOrEqual((report?.objectHit[policy] as number) - 0.005)
      }
    }
  })

  it('follows LRU where only recency matters', () => {
    const report = cacheOf(20_000, (i, random) => ({ name: `s${Math.floor(i / 40) + Math.floor(10 * random())}`, bytes: 100 }))
    expect(report?.objectHit.ours).toBeGreaterThanOrEqual((report?.objectHit.lru as number) - 0.005)
  })
})

describe('the next query', () => {
  const line = (at: number, template: string): LoggedQuery => ({
    line: 'query',
    at,
    tenant: 'a',
    template,
    args: '[]',
    kind: 'read',
    reads: [],
    queuedMs: 0,
  })

  it('speaks where sessions are regular, and is right then', () => {
    const replay = new NextQueryReplay()
    const random = seeded(12)
    let at = 0
    for (let i = 0; i < 1500; i++) {
      at += 3_600_000
      const path =
        random() < 0.7
          ? ['open', 'detail', 'export']
          : ['open', `adhoc${Math.floor(random() * 9)}`, `x${Math.floor(random() * 9)}`]
      for (const template of path) replay.add(line((at += 60_000), template))
    }
    const { template } = replay.finish()
    expect(template.precision).toBeGreaterThan(0.8)
    expect(template.coverage).toBeGreaterThan(0.3)
  })

  it('keeps silent where they are random', () => {
    const replay = new NextQueryReplay()
    const random = seeded(13)
    for (let i = 0; i < 3000; i++) replay.add(line(i * 60_000, `q${Math.floor(random() * 20)}`))
    expect(replay.finish().template.coverage).toBe(0)
  })
})
