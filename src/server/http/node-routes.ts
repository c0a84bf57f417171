import { z } from 'zod'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { presentForecast, presentLedgerEntry, presentNode } from './present.js'
import { wholeNumber } from './request-schemas.js'

const hourMs = 3_600_000

/** Nodes, what is expected, and what was done about it. */
export function nodeRoutes(app: App, rooms: Rooms): void {
  app.get('/v1/nodes', { schema: { summary: 'Every node with its state, roles and load.' } }, async () => {
    const scores = await rooms.loadScores.read()
    return rooms.engine.nodes().map((node) => presentNode(node, scores.get(node.id) ?? 0))
  })

  app.get(
    '/v1/forecast',
    {
      schema: {
        summary: 'Queries that are expected, soonest first.',
        querystring: z.strictObject({ horizonMs: wholeNumber(1, 14 * 24 * hourMs).default(24 * hourMs) }),
      },
    },
    async (request) => {
      const expected = await rooms.predictor.arrivals.expect(rooms.clock.now(), request.query.horizonMs)
      return expected.map((forecast) => presentForecast(forecast, {}))
    },
  )

  app.get(
    '/v1/allocations',
    {
      schema: {
        summary: 'The ledger of proactive actions, newest first.',
        querystring: z.strictObject({ limit: wholeNumber(1, 5_000).default(1_000) }),
      },
    },
    (request) => rooms.allocator.ledger.entries(request.query.limit).toReversed().map(presentLedgerEntry),
  )
}
