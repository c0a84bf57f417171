import type { LoggedQuery } from '../log-line.js'
import { RunTimeReplay } from './replay-run-time.js'
import { QErrorScore, type QErrors } from './score.js'

/** q-errors at arrival of queries whose tenant (or template) the model has never learned from. */
export interface ColdStarts {
  readonly newTenant: ColdStart
  readonly newTemplate: ColdStart
  /** Queries of the log that this was measured on. */
  readonly queries: number
}
interface ColdStart {
  readonly withLineage: QErrors
  readonly withoutLineage: QErrors
}

/** Queries that are looked at: eight replays go over them. */
export const coldStartQueriesMax = 4_000
const folds = 2

/**
 * Leave-one-out in folds: half of the tenants (then of the templates) is in flight as ever and never learned from, while the rest
 * is; each is left out once. The same regression with and without lineage's bytes; without them all queries look alike in size.
 */
export function coldStarts(queries: readonly LoggedQuery[]): ColdStarts {
  const names = { tenant: foldsOf(queries, 'tenant'), template: foldsOf(queries, 'template') }
  const start = (by: 'tenant' | 'template'): ColdStart => ({
    withLineage: replay(queries, names[by], by, false),
    withoutLineage: replay(queries, names[by], by, true),
  })
  return { newTenant: start('tenant'), newTemplate: start('template'), queries: queries.length }
}

/** Dealt round in the order of their names, so that large and small ones are spread. */
function foldsOf(queries: readonly LoggedQuery[], by: 'tenant' | 'template'): ReadonlyMap<string, number> {
  const names = [...new Set(queries.map((query) => query[by]))].sort()
  return new Map(names.map((name, i) => [name, i % folds]))
}

function replay(
  queries: readonly LoggedQuery[],
  fold: ReadonlyMap<string, number>,
  by: 'tenant' | 'template',
  withoutLineage: boolean,
): QErrors {
  const score = new QErrorScore()
  for (let left = 0; left < folds; left++) {
    const run = new RunTimeReplay({
      fast: true,
      withoutLineage,
      withoutHistory: false,
      monotonic: () => 0,
      heldOut: (query) => fold.get(query[by]) === left,
      onHeldOut: (predictedLog, actualLog) => score.add(predictedLog, actualLog),
    })
    for (const query of queries) run.add(query)
    run.finish()
  }
  return score.result()
}
