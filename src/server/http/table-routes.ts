import { z } from 'zod'
import { ForebayError } from '../../model/errors.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { presentSnapshot, presentTable } from './present.js'

/** Tables and what they are made of. */
export function tableRoutes(app: App, rooms: Rooms): void {
  app.get('/v1/tables', { schema: { summary: 'Every table and view.' } }, async () => {
    await rooms.catalog.rescan()
    const note = rooms.catalog.note()
    return { tables: rooms.catalog.tables().map(presentTable), ...(note === undefined ? {} : { note }) }
  })

  app.get(
    '/v1/tables/:name',
    { schema: { summary: 'Columns, snapshot and segments.', params: z.object({ name: z.string().min(1).max(500) }) } },
    async (request) => {
      await rooms.catalog.rescan()
      const { name } = request.params
      const table = rooms.catalog.table(name)
      if (table === undefined) {
        throw new ForebayError('NOT_FOUND', `there is no table "${name}"`, {
          hint: 'forebay tables, or GET /v1/tables, lists them',
        })
      }
      const snapshot = rooms.catalog.current(name)
      const { segments, snapshot: snapshotId, ...rest } = presentTable(table)
      return {
        ...rest,
        segmentCount: segments,
        ...(snapshot === undefined ? { snapshot: snapshotId ?? null, segments: [] } : flat(presentSnapshot(snapshot))),
      }
    },
  )
}

/** The snapshot beside its segments, as they are asked for together. */
function flat({ segments, ...snapshot }: Record<string, unknown>): Record<string, unknown> {
  return { snapshot, segments }
}
