import { expect, it } from 'vitest'
import { RunTimeModel } from '../../src/predict/run-time/run-time-model.js'
import type { RunTimeQuery } from '../../src/predict/run-time/run-time-query.js'
import { normal, seeded } from './seeded.js'

/** Databases of five sizes; each template reads its own share of them, and takes as long as the database is large. */
const sizesLog = [4, 5, 6, 7, 8]
const shareLogs = [-3, -2, -1, -0.5, 0]
const secondsLog = (size: number): number => 2 + 0.8 * size

function query(id: number, tenant: number, template: string, shareLog: number): RunTimeQuery {
  const bytes = 1e6 * Math.exp((sizesLog[tenant] as number) + shareLog)
  return { id: String(id), at: id * 60_000, tenant: `db${tenant}`, template, exact: `e${id}`, kind: 'read', bytes }
}

function trained(): RunTimeModel {
  const model = new RunTimeModel({ members: [], rowsMax: 100 })
  const random = seeded(21)
  for (let i = 0; i < 600; i++) {
    const tenant = Math.floor(random() * 5)
    const place = Math.floor(random() * 5)
    const asked = query(i, tenant, `q${place}`, shareLogs[place] as number)
    const durationMs = Math.exp(secondsLog(sizesLog[tenant] as number) + 0.1 * normal(random))
    model.arrive(asked, model.predict(asked, asked.at, 'arrival'))
    model.start(asked.id, asked.at, model.predict(asked, asked.at, 'dispatch'))
    model.finish(asked.id, asked.at + durationMs, durationMs)
  }
  return model
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

it('says the same of a new query shape after a restart', () => {
  const model = trained()
  const again = new RunTimeModel({ members: [], rowsMax: 100 })
  again.restore(JSON.parse(JSON.stringify(model.snapshot())))
  const asked = query(1000, 1, 'new', -2.5)
  expect(again.predict(asked, asked.at, 'arrival').log).toBe(model.predict(asked, asked.at, 'arrival').log)
})
