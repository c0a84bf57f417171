import { expect, it } from 'vitest'
import { Head } from '../../src/predict/run-time/head.js'
import { linearCount } from '../../src/predict/run-time/run-time-features.js'
import { RunTimeModel } from '../../src/predict/run-time/run-time-model.js'
import { phases, type RunTimeQuery } from '../../src/predict/run-time/run-time-query.js'
import { normal, seeded } from './seeded.js'

/** Databases of five sizes; each template reads its own share of them, and takes as long as the database is large. */
const sizesLog = [4, 5, 6, 7, 8]
const shareLogs = [-3, -2, -1, -0.5, 0]
const secondsLog = (size: number): number => 2 + 0.8 * size

function query(id: number, tenant: number, template: string, shareLog: number, datasets = 1): RunTimeQuery {
  const bytes = 1e6 * Math.exp((sizesLog[tenant] as number) + shareLog)
  return { id: String(id), at: id * 60_000, tenant: `db${tenant}`, template, exact: `e${id}`, kind: 'read', bytes, datasets }
}

function trained(): RunTimeModel {
  const model = new RunTimeModel({ members: [], rowsMax: 100 })
  const random = seeded(21)
  for (let i = 0; i < 600; i++) {
    const tenant = Math.floor(random() * 5)
    const place = Math.floor(random() * 5)
    const asked = query(i, tenant, `q${place}`, shareLogs[place] as number)
    run(model, asked, Math.exp(secondsLog(sizesLog[tenant] as number) + 0.1 * normal(random)))
  }
  return model
}

function run(model: RunTimeModel, asked: RunTimeQuery, durationMs: number): void {
  model.arrive(asked, model.predict(asked, asked.at, 'arrival'))
  model.start(asked.id, asked.at, model.predict(asked, asked.at, 'dispatch'))
  model.finish(asked.id, asked.at + durationMs, durationMs)
}

it('takes from known templates what bytes say of a query shape that never ran', () => {
  const model = trained()
  for (const tenant of [0, 2, 4]) {
    for (const shareLog of [-2.5, 0]) {
      const said = model.predict(query(1000, tenant, 'new', shareLog), 60_000_000, 'arrival')
      expect(Math.abs(said.log - secondsLog(sizesLog[tenant] as number))).toBeLessThan(0.6)
    }
  }
})

it('takes from known templates what the number of datasets says of a query shape that never ran', () => {
  const model = new RunTimeModel({ members: [], rowsMax: 100 })
  const random = seeded(22)
  const datasetsOf = [1, 1, 2, 3, 5]
  const truth = (tenant: number, datasets: number): number => secondsLog(sizesLog[tenant] as number) + 0.8 * Math.log(datasets)
  for (let i = 0; i < 600; i++) {
    const tenant = Math.floor(random() * 5)
    const place = Math.floor(random() * 5)
    const datasets = datasetsOf[place] as number
    const asked = query(i, tenant, `q${place}`, 0, datasets)
    run(model, asked, Math.exp(truth(tenant, datasets) + 0.1 * normal(random)))
  }
  for (const datasets of [1, 4, 6]) {
    const said = model.predict(query(1000, 2, 'new', 0, datasets), 60_000_000, 'arrival')
    expect(Math.abs(said.log - truth(2, datasets))).toBeLessThan(0.5)
  }
})

it('is less sure where its opinions are apart', () => {
  const head = new Head('arrival', 4, 100)
  const random = seeded(23)
  const linear = new Float64Array(linearCount + 4).fill(0)
  linear[0] = 1
  const asked = query(0, 0, 'q0', 0)
  const said = new RunTimeModel({ members: [], rowsMax: 100 }).predict(asked, 0, 'arrival')
  for (let i = 0; i < 400; i++) {
    const apart = i % 2 === 0 ? 0.05 : 2
    const opinions = { ridge: 5, huber: 5 + apart }
    head.observe(asked, { ...said, log: 5, linear, opinions }, 5 + 0.5 * apart * normal(random), false)
  }
  const scale = (apart: number): number => head.scale(linear, { ridge: 5, huber: 5 + apart })
  expect(scale(2)).toBeGreaterThan(3 * scale(0.05))
})

it('says the same of a new query shape after a restart', () => {
  const model = trained()
  const again = new RunTimeModel({ members: [], rowsMax: 100 })
  again.restore(JSON.parse(JSON.stringify(model.snapshot())))
  const asked = query(1000, 1, 'new', -2.5)
  expect(again.predict(asked, asked.at, 'arrival').log).toBe(model.predict(asked, asked.at, 'arrival').log)
})

it('refits after a restart from what it learned before', () => {
  const model = trained()
  const again = new RunTimeModel({ members: [], rowsMax: 100 })
  again.restore(JSON.parse(JSON.stringify(model.snapshot())))
  for (const phase of phases) {
    const [{ targets }, { targets: before }] = [again.job(phase), model.job(phase)]
    expect(targets).toHaveLength(100)
    expect([...targets]).toEqual([...Float32Array.from(before)])
  }
})

it('knows after a restart how much has come and gone in the last minutes, however much it was', () => {
  const model = new RunTimeModel({ members: [], rowsMax: 100 })
  const random = seeded(3)
  for (let i = 0; i < 700; i++) {
    const asked = { ...query(i, i % 5, `q${i % 3}`, 0), at: i * 400 }
    run(model, asked, Math.exp(secondsLog(sizesLog[i % 5] as number) / 2 + 0.1 * normal(random)))
  }
  const again = new RunTimeModel({ members: [], rowsMax: 100 })
  again.restore(JSON.parse(JSON.stringify(model.snapshot())))
  const { flight } = again.snapshot()
  expect([flight.arrivals.length, flight.finishes.length]).toEqual([700, 700])
  const asked = { ...query(700, 2, 'q1', 0), at: 290_000 }
  expect(again.predict(asked, asked.at, 'arrival').log).toBeCloseTo(model.predict(asked, asked.at, 'arrival').log, 9)
})
