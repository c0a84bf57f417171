import { ForebayError } from '../../model/errors.js'
import type { QueryRequest } from '../../model/query.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { presentPrediction } from './present-prediction.js'
import { type QueryBody, queryBody, queryRequest } from './request-schemas.js'
import { untilClosed } from './until-closed.js'

/** What a query would need, and how it would be run, without running it. */
export function predictRoutes(app: App, rooms: Rooms): void {
  const asked = (body: QueryBody): QueryRequest => queryRequest(body, 'json', rooms.queryDefaults)

  app.post(
    '/v1/predict',
    { schema: { summary: 'What a query will need, where, how sure that is, and why.', body: queryBody } },
    async (request, reply) => {
      const { plan, prediction } = await rooms.engine.predict(asked(request.body), untilClosed(reply.raw))
      if (prediction !== undefined) return presentPrediction(plan, prediction)
      throw new ForebayError('UNAVAILABLE', 'the predictor has not answered', {
        hint: 'the query itself can be run all the same',
      })
    },
  )

  app.post(
    '/v1/explain',
    { schema: { summary: 'The plan: segments pruned and kept, tiers, tree, SQL of each task, prediction.', body: queryBody } },
    async (request, reply) => {
      const { prediction, ...explanation } = await rooms.engine.explain(asked(request.body), untilClosed(reply.raw))
      return prediction === undefined ? explanation : { ...explanation, prediction: presentPrediction(explanation, prediction) }
    },
  )
}
