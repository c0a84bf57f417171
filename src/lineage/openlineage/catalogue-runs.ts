import type { Statements } from '../database.js'
import type { LogOffset } from '../lineage-store.js'
import { type ExternalChange, joinRun, type RunGraph } from './external-contribution.js'
import { type OpenLineageEvent, parentOf } from './open-lineage-event.js'
import { ended, joinState, runStateOf } from './run-state.js'

/** Events of one run whose places are kept; of a run that says more, which is streaming, the last ones say what it is. */
const offsetsMax = 1_000
/** Runs that are kept when all their events have left the log, since they have not told of their end: many never will. */
const silentMax = 10_000

interface Run {
  job: number
  created: string
  updated: string
  started: string | null
  state: string
  parent: string | null
  /** What the graph holds of the run, by job: of a run that several jobs claim, each has its own part. */
  graphs: Record<number, RunGraph>
  offsets: LogOffset[]
}
type Row = [number, string, string, string | null, string, string | null, string, string]

/** The table of runs. A batch's runs are joined in memory and written once. */
export class CatalogueRuns {
  readonly #sql: Statements
  readonly #changed = new Map<string, Run>()

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** Joins an event to its run. Gives what it adds to the graph; undefined when the job's run was not known. */
  take(
    event: OpenLineageEvent,
    id: string,
    job: number,
    { micros, at, offset }: { readonly micros: number; readonly at: string; readonly offset: LogOffset },
  ): ExternalChange | undefined {
    const state = runStateOf(event.eventType, at)
    const run = this.#changed.get(id) ??
      this.#find(id) ?? { job, created: at, updated: at, started: null, state, parent: null, graphs: {}, offsets: [] }
    const known = run.graphs[job]
    const joined = joinRun(event, micros, known)
    run.graphs[job] = joined.run
    run.job = Math.min(run.job, job)
    run.created = least(run.created, at)
    run.updated = greatest(run.updated, at)
    run.state = joinState(run.state, state)
    if (event.eventType === 'START') run.started = least(run.started ?? at, at)
    const parent = parentOf(event)?.run
    if (parent !== undefined) run.parent = greatest(run.parent ?? parent, parent)
    if (run.offsets.push(offset) > offsetsMax) run.offsets.shift()
    this.#changed.set(id, run)
    return known === undefined ? undefined : joined.change
  }

  flush(): void {
    for (const [id, { job, created, updated, started, state, parent, graphs, offsets }] of this.#changed) {
      this.#sql.run(
        'INSERT OR REPLACE INTO ol_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        id,
        job,
        created,
        updated,
        started,
        state,
        parent,
        JSON.stringify(graphs),
        offsets.join(' '),
        offsets.at(-1) ?? 0,
      )
    }
    this.#changed.clear()
  }

  forget(): void {
    this.#changed.clear()
  }

  /** Forgets runs whose last event came before an offset, but for the latest of those that go on: they would count twice for the graph. */
  truncate(offset: LogOffset): void {
    this.#sql.run(
      `DELETE FROM ol_runs WHERE changed < ?1 AND id NOT IN
         (SELECT id FROM ol_runs WHERE changed < ?1 AND state < ? ORDER BY changed DESC, id LIMIT ?)`,
      offset,
      ended,
      silentMax,
    )
  }

  #find(id: string): Run | undefined {
    const row = this.#sql.first<Row>(
      'SELECT job, created, updated, started, state, parent, graph, offsets FROM ol_runs WHERE id = ?',
      id,
    )
    if (row === undefined) return undefined
    const [job, created, updated, started, state, parent, graph, offsets] = row
    const graphs = JSON.parse(graph) as Record<number, RunGraph>
    return { job, created, updated, started, state, parent, graphs, offsets: offsets.split(' ').map(Number) }
  }
}

const least = (a: string, b: string): string => (a < b ? a : b)
const greatest = (a: string, b: string): string => (a > b ? a : b)
