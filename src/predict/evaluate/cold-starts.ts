import type { LoggedQuery } from '../log-line.js'
import { rowsMax } from '../run-time/refit-schedule.js'
import { RunTimeModel } from '../run-time/run-time-model.js'
import { CausalReplay, type Replayed } from './causal-replay.js'
import { warmUp } from './replay-run-time.js'
import { QErrorScore, type QErrors } from './score.js'

/** q-errors at arrival of queries whose tenant (or template) the model has never learned from. */
export interface ColdStarts {
  readonly newTenant: ColdStart
  readonly newTemplate: ColdStart
  /** Queries of the log that this was measured on. */
  readonly queries: number
}
interface ColdStart {
  readonly withLineage: ColdErrors
  readonly withoutLineage: ColdErrors
}
interface ColdErrors extends QErrors {
  /** Without what began after the last arrival of the log, when the server was emptying. */
  readonly begunInTrace: QErrors
}

/** Queries that are looked at, and in how many parts names are left out: four replays for each part go over these queries. */
export const coldStartQueriesMax = 4_000
const foldsMax = 5

/**
 * Leave-one-out, in folds where there are many: a part of the tenants (then of the templates) is in flight as ever and never learned
 * from, while the rest is; each is left out once. The same regression with and without lineage's bytes; without them all queries
 * look alike in size.
 */
export function coldStarts(queries: readonly LoggedQuery[]): ColdStarts {
  const start = (by: 'tenant' | 'template'): ColdStart => {
    const folds = foldsOf(queries, by)
    return { withLineage: errors(queries, folds, by, false), withoutLineage: errors(queries, folds, by, true) }
  }
  return { newTenant: start('tenant'), newTemplate: start('template'), queries: queries.length }
}

/** Dealt round in the order of their names, so that large and small ones are spread. */
function foldsOf(queries: readonly LoggedQuery[], by: 'tenant' | 'template'): ReadonlyMap<string, number> {
  const names = [...new Set(queries.map((query) => query[by]))].sort()
  return new Map(names.map((name, i) => [name, i % foldsMax]))
}

function errors(
  queries: readonly LoggedQuery[],
  folds: ReadonlyMap<string, number>,
  by: 'tenant' | 'template',
  withoutLineage: boolean,
): ColdErrors {
  const [all, begun] = [new QErrorScore(), new QErrorScore()]
  const lastAt = queries.at(-1)?.at ?? 0
  for (const left of new Set(folds.values())) {
    const score = ({ number, startedAt, durationMs, said }: Replayed, learned: boolean): void => {
      if (learned || number < warmUp) return
      all.add(said.arrival.log, Math.log(durationMs))
      if (startedAt <= lastAt) begun.add(said.arrival.log, Math.log(durationMs))
    }
    const replay = new CausalReplay(new RunTimeModel({ members: [], rowsMax }), {
      withoutLineage,
      withoutHistory: false,
      heldOut: (query) => folds.get(query[by]) === left,
      onEnd: score,
    })
    for (const query of queries) replay.add(query)
    replay.finish()
  }
  return { ...all.result(), begunInTrace: begun.result() }
}
