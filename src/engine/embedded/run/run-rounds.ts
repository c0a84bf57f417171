/** Plans that hold, and rounds of running them: what changed on disk or was found damaged costs another one, not the query. */
import { systemClock } from '../../../model/clock.js'
import { ForebayError, fromErrorRecord, toErrorRecord } from '../../../model/errors.js'
import type { Plan, QueryRequest } from '../../../model/query.js'
import { unreadable } from '../../../scheduler/run-tree.js'
import type { EngineParts } from '../engine-parts.js'
import { type QueryRun, type Round, type RoundEnd, runRound, whenRead } from './run-plan.js'

/** New plans after a table has changed under the first one. */
export const plansMax = 3
/** Rounds after segments changed while they were read, or something stored was found damaged. */
const roundsMax = 3

export type OnPlanned = (plan: Plan) => void

/** A plan whose snapshots are what is on disk at this moment. */
export async function confirmedPlan(
  parts: EngineParts,
  request: Pick<QueryRequest, 'sql' | 'params' | 'timeZone' | 'tree'>,
  signal: AbortSignal,
): Promise<Plan> {
  const { sql, params, timeZone, tree } = request
  const askedAt = systemClock.monotonic()
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    try {
      const plan = await parts.planner.plan({ sql, params, timeZone, nowMs: parts.clock.now(), tree }, signal)
      if ((await parts.catalog.confirm(plan.reads, askedAt)) || attempt >= plansMax) return plan
    } catch (error) {
      // A table that has just appeared, or was mended, is worth a second look.
      const unknown =
        error instanceof ForebayError && ['NAME_NOT_FOUND', 'FILE_UNREADABLE', 'FILES_DISAGREE'].includes(error.code)
      if (!unknown || attempt >= plansMax || (await parts.catalog.confirm([]))) throw noted(error, parts.catalog.note())
    }
  }
}

/** A name that was not found, with what the catalogue says of why it may not be there. */
function noted(error: unknown, note: string | undefined): unknown {
  if (note === undefined || !(error instanceof ForebayError) || error.code !== 'NAME_NOT_FOUND') return error
  const record = toErrorRecord(error)
  return fromErrorRecord({ ...record, hint: record.hint === undefined ? note : `${record.hint}; ${note}` })
}

/** Runs rounds until one ends well; segments that change while they are read cost one more plan, damaged stores one more read. */
export async function runRounds(
  parts: EngineParts,
  query: QueryRun,
  first: Plan,
  output: Round['output'],
  onPlanned: OnPlanned,
): Promise<RoundEnd & { readonly plan: Plan }> {
  let plan = first
  let trustStored = true
  let replanned = false
  for (let number = 1; ; number++) {
    const unpin = parts.catalog.pin(plan.reads.map((read) => read.snapshot))
    try {
      const end = await runRound(parts, query, { number, plan, trustStored, output })
      whenRead(parts, end.outcome, unpin)
      return { ...end, plan }
    } catch (error) {
      unpin()
      const code = error instanceof ForebayError ? error.code : undefined
      if (query.signal.aborted || number >= roundsMax) throw error
      if (code === 'SEGMENT_CHANGED' && !replanned) {
        replanned = true
        await parts.catalog.lookAgain(plan.reads)
        plan = await confirmedPlan(parts, query.request, query.signal)
        onPlanned(plan)
      } else if (unreadable(error) && trustStored) {
        // It may have been a pack or a partial: without them it comes from the files, or the files are at fault.
        trustStored = false
        parts.onError(error)
        if (code === 'CHECKSUM_MISMATCH') await dropDamaged(parts, plan, error)
      } else throw error
      query.progress.restart()
    }
  }
}

/** Drops the packs that the plan reads and that the error names. */
async function dropDamaged(parts: EngineParts, plan: Plan, error: unknown): Promise<void> {
  const datasets = new Set(plan.reads.map((read) => read.dataset))
  const message = error instanceof Error ? error.message : ''
  const damaged = parts.packs.packs().filter((pack) => datasets.has(pack.dataset) && message.includes(pack.id))
  await parts.packs.drop(damaged.map((pack) => pack.id))
}
