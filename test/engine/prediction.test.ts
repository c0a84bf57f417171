import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../src/model/clock.js'
import type { Prediction, PredictionInput, QueryOutcome } from '../../src/predict/prediction.js'
import { Predictor } from '../../src/predict/predictor.js'
import { openUnderTest, requestOf, type UnderTest, until } from './engine-under-test.js'

/** The predictor of the server, and what it was told, in order. */
class WatchedPredictor extends Predictor {
  readonly told: string[] = []
  readonly inputs: PredictionInput[] = []

  override predict(input: PredictionInput): Prediction {
    this.told.push('predict')
    this.inputs.push(input)
    return super.predict(input)
  }
  override admitted(queryId: string, input: PredictionInput, prediction: Prediction): void {
    this.told.push(`admitted ${queryId}`)
    super.admitted(queryId, input, prediction)
  }
  override dispatched(queryId: string, at: number): void {
    this.told.push(`dispatched ${queryId}`)
    super.dispatched(queryId, at)
  }
  override observe(outcome: QueryOutcome): ReturnType<Predictor['observe']> {
    this.told.push(`observe ${outcome.queryId} ${outcome.finished}`)
    return super.observe(outcome)
  }
}

const predictor = new WatchedPredictor({ clock: systemClock })
let under: UnderTest
let onRunning = (): void => {}
let work = async (): Promise<readonly []> => []

beforeAll(async () => {
  under = await openUnderTest([`COPY (SELECT i AS id, i % 3 AS k FROM range(100000) t(i)) TO '$DATA/source.parquet'`], {
    predictor,
    reader: { work: () => work() },
    onActivity: (activity) => {
      if (activity.type !== 'query' || activity.status.state !== 'running') return
      predictor.told.push(`running ${activity.status.queryId}`)
      onRunning()
    },
  })
  await ask('SELECT count(*) FROM source')
}, 60_000)
afterAll(() => under?.close(), 60_000)
beforeEach(() => {
  predictor.told.length = 0
  predictor.inputs.length = 0
})

/** Runs a query until everything of it is over, and gives its id. */
async function ask(sql: string): Promise<string> {
  const { status } = await under.query(sql, { reuse: false })
  await until(() => under.recorder.queries.some(({ queryId }) => queryId === status.queryId), 'its end')
  return status.queryId
}

it('sends a query that is alone before it predicts what that needs, and learns from its outcome after that', async () => {
  const id = await ask('SELECT k, sum(id) FROM source GROUP BY k')
  const order = [`running ${id}`, 'predict', `admitted ${id}`, `dispatched ${id}`, `observe ${id} true`]
  expect(predictor.told).toEqual(order)
  expect(predictor.inputs.map(({ running, queued }) => [running, queued])).toEqual([[0, 0]])
  expect(under.recorder.queries.find(({ queryId }) => queryId === id)?.predicted).toBeDefined()
})

it('predicts what a query needs before it lets it in, where others are under way', async () => {
  const slow = under.engine.submit(
    'slow',
    requestOf('SELECT count(*) FROM range(2000000) a(i), range(2000000) b(j) WHERE i + j = 7', { reuse: false }),
  )
  await until(() => predictor.told.includes('dispatched slow'), 'the first')
  const id = await ask('SELECT min(id) FROM source')
  const order = ['predict', `admitted ${id}`, `running ${id}`, `dispatched ${id}`, `observe ${id} true`]
  expect(predictor.told.slice(4)).toEqual(order)
  expect(predictor.inputs.map(({ running }) => running)).toEqual([0, 1])
  slow.cancel('enough')
  await expect(slow.result).rejects.toMatchObject({ code: 'CANCELLED' })
})

it('predicts for a query that fails before that, too, and tells of its end afterwards', async () => {
  const execution = under.engine.submit('gone', requestOf('SELECT sum(id) FROM source', { reuse: false }))
  onRunning = () => execution.cancel('at once')
  await expect(execution.result).rejects.toMatchObject({ code: 'CANCELLED' })
  await until(() => under.recorder.queries.some(({ queryId }) => queryId === 'gone'), 'its end')
  expect(predictor.told).toEqual(['running gone', 'predict', 'admitted gone', 'dispatched gone', 'observe gone false'])
  expect(under.recorder.queries.find(({ queryId }) => queryId === 'gone')?.predicted).toBeDefined()
})

it('lets others in where nothing can be predicted', async () => {
  onRunning = () => {}
  work = () => {
    throw new Error('no graph')
  }
  const count = 'SELECT count(*) FROM range(2000000) a(i), range(2000000) b(j) WHERE i + j = 7'
  const slow = under.engine.submit('unpredicted', requestOf(`WITH s AS (SELECT count(*) FROM source) ${count}`, { reuse: false }))
  await until(() => slow.status().state === 'running', 'the first')
  await ask('SELECT max(id) FROM source')
  expect(under.errors.map(String)).toContain('Error: no graph')
  slow.cancel('enough')
  await expect(slow.result).rejects.toMatchObject({ code: 'CANCELLED' })
})
