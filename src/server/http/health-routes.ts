import { z } from 'zod'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'

const readiness = z.object({
  status: z.enum(['ready', 'not ready']),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })).readonly(),
})

/** Probes for supervisors, and the metrics. */
export function healthRoutes(app: App, rooms: Rooms): void {
  app.get('/healthz', { schema: { summary: 'Alive.' } }, () => ({ status: 'ok', version: rooms.version }))

  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Ready: a probe query ran, the log can be written, there is free disk.',
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const checks = await rooms.health.checks()
      const ready = checks.every(({ ok }) => ok)
      reply.code(ready ? 200 : 503)
      return { status: ready ? ('ready' as const) : ('not ready' as const), checks }
    },
  )

  app.get(
    '/metrics',
    { schema: { summary: 'Metrics as Prometheus text.', produces: ['text/plain'] } },
    async (request, reply) => {
      const { contentType, text } = await rooms.metrics.scrape(request.headers.accept)
      reply.type(contentType)
      return text
    },
  )
}
