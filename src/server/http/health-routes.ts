import type { Rooms } from '../rooms.js'
import type { App } from './app.js'

/** Probes for supervisors, and the metrics. */
export function healthRoutes(app: App, rooms: Rooms): void {
  app.get('/healthz', { schema: { summary: 'Alive.' } }, () => ({ status: 'ok', version: rooms.version }))

  app.get(
    '/readyz',
    { schema: { summary: 'Ready: a probe query ran, the log can be written, there is free disk.' } },
    async (_request, reply) => {
      const checks = await rooms.health.checks()
      const ready = checks.every(({ ok }) => ok)
      reply.code(ready ? 200 : 503)
      return { status: ready ? 'ready' : 'not ready', checks }
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
