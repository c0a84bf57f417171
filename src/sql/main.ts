import type { RelationDefinition } from '../model/catalogue.js'
import { toErrorRecord } from '../model/errors.js'
import { DuckDBSession } from './duckdb-session.js'
import type { FromPlanner, ToPlanner } from './planner/messages.js'
import { StatementPlanner } from './planner/plan-statement.js'
import { Definitions } from './resolve/definitions.js'

/**
 * A planner process. It answers one request after the other, in the order of the messages, and ends when its channel to the
 * coordinator closes, however the coordinator ended.
 */
const send = (message: FromPlanner): void => {
  process.send?.(message)
}
process.on('disconnect', () => process.exit(0))
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)

const session = await DuckDBSession.open()
const definitions = new Definitions()
const planner = new StatementPlanner(session, definitions, await session.functionNames())
let last = Promise.resolve()
process.on('message', (message: ToPlanner) => {
  last = last.then(() => handle(message))
})
send({ type: 'ready' })

async function handle(message: ToPlanner): Promise<void> {
  if (message.type === 'define') definitions.define(JSON.parse(message.definition) as RelationDefinition)
  else if (message.type === 'forget') definitions.forget(message.name)
  else await answer(message)
}

async function answer({ id, request, wantsForm }: ToPlanner & { type: 'plan' }): Promise<void> {
  try {
    send({ type: 'answer', id, ...(await planner.plan(request, wantsForm)) })
  } catch (error) {
    send({ type: 'failed', id, error: toErrorRecord(error) })
  }
}
