import { z } from 'zod'
import type { DeadLetter } from '../../queue/dead-letters.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { untilClosed } from './until-closed.js'

const idParams = z.object({ id: z.string().min(1).max(300) })

/** Tasks that were given up after too many attempts. */
export function deadLetterRoutes(app: App, rooms: Rooms): void {
  app.get('/v1/dead-letters', { schema: { summary: 'Tasks that were given up, oldest first.' } }, async () => ({
    deadLetters: (await rooms.engine.deadTasks.list()).map(present),
  }))

  app.post(
    '/v1/dead-letters/:id/replay',
    { schema: { summary: 'Runs a task again; its letter goes when it has finished.', params: idParams } },
    (request, reply) => rooms.engine.deadTasks.replay(request.params.id, untilClosed(reply.raw)),
  )
}

function present({ id, at, attempts, reason, task }: DeadLetter): object {
  return {
    id,
    at: new Date(at).toISOString(),
    attempts,
    reason,
    ...(task === undefined ? {} : { queryId: task.queryId, role: task.role, tenant: task.tenant, sql: task.sql }),
  }
}
