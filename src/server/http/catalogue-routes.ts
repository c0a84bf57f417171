/** What other programs reported, in the shapes and under the paths that Marquez's clients know. Texts come from the reader's thread. */
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { CatalogueRequest } from '../../lineage/openlineage/catalogue-request.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { wholeNumber } from './request-schemas.js'
import { untilClosed } from './until-closed.js'

const name = z.string().min(1).max(5_000)
const page = z.object({ limit: wholeNumber(1, 10_000).default(100), offset: wholeNumber(0, 100_000_000).default(0) })
const nodeId = z.string().min(1).max(9_000)
const truth = z
  .enum(['true', 'false'])
  .default('false')
  .transform((value) => value === 'true')

export function catalogueRoutes(app: App, rooms: Rooms): void {
  const send = async (reply: FastifyReply, request: CatalogueRequest): Promise<FastifyReply> => {
    const text = await rooms.lineage.catalogue(request, untilClosed(reply.raw))
    return reply.type('application/json; charset=utf-8').send(text)
  }

  app.get(
    '/api/v1/lineage',
    {
      schema: {
        summary: 'Jobs and datasets around a node; depth in hops from job to job.',
        querystring: z.object({ nodeId, depth: wholeNumber(0, 1_000).default(20) }),
      },
    },
    (request, reply) => send(reply, { what: 'lineage', ...request.query }),
  )
  app.get(
    '/api/v1/column-lineage',
    {
      schema: {
        summary: 'Columns that a column comes from, and goes into.',
        querystring: z.object({ nodeId, depth: wholeNumber(0, 1_000).default(20), withDownstream: truth }),
      },
    },
    (request, reply) => {
      const { withDownstream: downstream, nodeId: node, depth } = request.query
      return send(reply, { what: 'columns', nodeId: node, depth, downstream })
    },
  )
  app.get('/api/v1/namespaces', { schema: { summary: 'Namespaces.', querystring: page } }, (request, reply) =>
    send(reply, { what: 'namespaces', ...request.query }),
  )
  const inNamespace = z.object({ namespace: name })
  app.get('/api/v1/namespaces/:namespace', { schema: { summary: 'A namespace.', params: inNamespace } }, (request, reply) =>
    send(reply, { what: 'namespace', name: request.params.namespace }),
  )
  for (const what of ['datasets', 'jobs'] as const) {
    app.get(`/api/v1/${what}`, { schema: { summary: `All ${what}.`, querystring: page } }, (request, reply) =>
      send(reply, { what, ...request.query }),
    )
    app.get(
      `/api/v1/namespaces/:namespace/${what}`,
      { schema: { summary: `The ${what} of a namespace.`, params: inNamespace, querystring: page } },
      (request, reply) => send(reply, { what, namespace: request.params.namespace, ...request.query }),
    )
  }
  const named = z.object({ namespace: name, name })
  app.get(
    '/api/v1/namespaces/:namespace/datasets/:name',
    { schema: { summary: 'A dataset.', params: named } },
    (request, reply) => send(reply, { what: 'dataset', ...request.params }),
  )
  app.get('/api/v1/namespaces/:namespace/jobs/:name', { schema: { summary: 'A job.', params: named } }, (request, reply) =>
    send(reply, { what: 'job', ...request.params }),
  )
  app.get(
    '/api/v1/namespaces/:namespace/jobs/:name/runs',
    { schema: { summary: 'The runs of a job, newest first.', params: named, querystring: page } },
    (request, reply) => {
      const { namespace, name: job } = request.params
      return send(reply, { what: 'runs', namespace, job, ...request.query })
    },
  )
  const run = z.object({ id: name })
  app.get('/api/v1/jobs/runs/:id', { schema: { summary: 'A run.', params: run } }, (request, reply) =>
    send(reply, { what: 'run', id: request.params.id }),
  )
  app.get(
    '/api/v1/jobs/runs/:id/facets',
    {
      schema: {
        summary: 'The facets of a run.',
        params: run,
        querystring: z.object({ type: z.enum(['run', 'job']).default('run') }),
      },
    },
    (request, reply) => send(reply, { what: 'run-facets', id: request.params.id, type: request.query.type }),
  )
  app.get(
    '/api/v1/events/lineage',
    { schema: { summary: 'Events of runs as they came, newest first.', querystring: page } },
    (request, reply) => send(reply, { what: 'events', ...request.query }),
  )
  app.get(
    '/api/v1/search',
    {
      schema: {
        summary: 'Jobs and datasets by a part of their name.',
        querystring: z.object({
          q: name,
          filter: z.enum(['JOB', 'DATASET', 'job', 'dataset']).optional(),
          limit: wholeNumber(1, 1_000).default(10),
        }),
      },
    },
    (request, reply) => {
      const { q: text, filter, limit } = request.query
      const type = filter?.toUpperCase() as 'JOB' | 'DATASET' | undefined
      return send(reply, { what: 'search', text, limit, ...(type === undefined ? {} : { type }) })
    },
  )
}
