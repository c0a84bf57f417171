/** Keeps the tables of catalogue-schema.ts. Called once for each event, in the order of the log, in one transaction with the graph. */
import type { ExternalEvent } from '../../model/lineage-event.js'
import type { Statements } from '../database.js'
import type { LogOffset } from '../lineage-store.js'
import { catalogueTables, datasetFacets, jobFacets, noJob } from './catalogue-schema.js'
import { type ColumnEdge, columnEdges } from './column-edges.js'
import { parseEventTime } from './event-time.js'
import { explicitOf, explicitOfJob } from './explicit-lineage.js'
import { type ExternalChange, joinRun, type RunGraph } from './external-contribution.js'
import {
  type DatasetReference,
  type EventDataset,
  type EventJob,
  type Facets,
  facetOf,
  isDeletion,
  type OpenLineageEvent,
} from './open-lineage-event.js'
import { parsedEvent } from './parsed-event.js'
import { arrayElements, memberValue, objectMembers, type RawMember } from './raw-json.js'
import { joinState, runStateOf } from './run-state.js'

const rememberedMax = 100_000
const symlinksMax = 100

type RunRow = readonly [
  job: number,
  created: string,
  updated: string,
  started: string | null,
  state: string,
  parent: string | null,
  graph: string,
]

export class CatalogueWriter {
  readonly #sql: Statements
  readonly #ids = new Map<string, number>()
  readonly #flows = new Set<string>()

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** Keeps what an event says. Gives what it adds to the graph when earlier events told of its run. */
  take(offset: LogOffset, entry: ExternalEvent): ExternalChange | undefined {
    const event = parsedEvent(entry)
    const at = parseEventTime(event.eventTime)?.text ?? ''
    const raw = new RawEvent(entry.text)
    if (event.job === undefined) {
      if (event.dataset !== undefined) this.#dataset(event.dataset, raw.value('dataset'), raw.text, at, offset, noJob)
      return undefined
    }
    const job = this.#job(event.job, raw, at, offset, event)
    this.#datasets(event, raw, at, offset, job)
    return event.run === undefined ? undefined : this.#run(event, event.run.runId, job, entry.at, at, offset)
  }

  /** Empties the tables. */
  clear(): void {
    for (const { table } of catalogueTables) this.#sql.run(`DELETE FROM ${table}`)
    // Whoever has copies of rows sees by this that they are of another time.
    this.#sql.run('INSERT INTO ol_cleared VALUES (1, 1) ON CONFLICT DO UPDATE SET times = times + 1')
    this.forget()
  }

  /** Forgets what is kept in memory. */
  forget(): void {
    this.#ids.clear()
    this.#flows.clear()
  }

  /** Forgets runs whose events have left the log. Jobs and datasets stay. */
  truncate(offset: LogOffset): void {
    const gone = this.#sql.all<[string]>('SELECT DISTINCT run FROM ol_events WHERE offset < ?', offset)
    this.#sql.run('DELETE FROM ol_events WHERE offset < ?', offset)
    for (const [run] of gone) {
      this.#sql.run('DELETE FROM ol_runs WHERE id = ? AND NOT EXISTS (SELECT 1 FROM ol_events WHERE run = ?)', run, run)
    }
  }

  #job(job: EventJob, raw: RawEvent, at: string, offset: LogOffset, event: OpenLineageEvent): number {
    const parent = parentOf(event)
    const id = this.#upsert('ol_jobs', job, at, offset)
    if (parent !== undefined) {
      const name = `${parent.job.namespace}:${parent.job.name}`
      this.#sql.run('UPDATE ol_jobs SET parent = ? WHERE id = ? AND (parent IS NULL OR parent < ?)', name, id, name)
    }
    this.#facets(jobFacets, id, raw.facets(raw.value('job')), raw.text, at)
    return id
  }

  #datasets(event: OpenLineageEvent, raw: RawEvent, at: string, offset: LogOffset, job: number): void {
    const { targets, read } = explicitOfJob(event)
    const inputs = raw.elements('inputs')
    for (const [index, dataset] of (event.inputs ?? []).entries()) {
      this.#flow(job, this.#dataset(dataset, inputs[index] ?? -1, raw.text, at, offset, job), 0)
    }
    const outputs = raw.elements('outputs')
    for (const [index, dataset] of (event.outputs ?? []).entries()) {
      const own = targets.filter(({ target }) => target.namespace === dataset.namespace && target.name === dataset.name)
      const edges = columnEdges(dataset, own)
      const id = this.#dataset(dataset, outputs[index] ?? -1, raw.text, at, offset, job, edges)
      this.#flow(job, id, 1)
      if (event.eventType === 'COMPLETE') this.#modified(id, at)
      for (const source of explicitOf(dataset)?.sources ?? []) this.#flow(job, this.#upsert('ol_datasets', source, at, offset), 0)
    }
    for (const { target, sources } of targets) {
      const id = this.#upsert('ol_datasets', target, at, offset)
      this.#flow(job, id, 1)
      for (const source of sources) this.#flow(job, this.#upsert('ol_datasets', source, at, offset), 0)
      if (event.outputs?.some(({ namespace, name }) => namespace === target.namespace && name === target.name) !== true) {
        this.#columns(id, job, at, columnEdges(target, [{ target, sources }]), offset)
      }
    }
    for (const dataset of read) this.#flow(job, this.#upsert('ol_datasets', dataset, at, offset), 0)
  }

  #dataset(
    dataset: EventDataset,
    rawAt: number,
    text: string,
    at: string,
    offset: LogOffset,
    job: number,
    edges: ColumnEdge[] | undefined = columnEdges(dataset),
  ): number {
    const id = this.#upsert('ol_datasets', dataset, at, offset)
    if (rawAt !== -1) this.#facets(datasetFacets, id, RawEvent.facetsAt(text, rawAt), text, at)
    this.#columns(id, job, at, edges, offset)
    this.#symlinks(id, dataset, at, offset)
    return id
  }

  #symlinks(id: number, dataset: EventDataset, at: string, offset: LogOffset): void {
    const facet = facetOf(dataset.facets, 'symlinks')
    if (!Array.isArray(facet?.identifiers)) return
    for (const identifier of facet.identifiers.slice(0, symlinksMax)) {
      const { namespace, name } = (identifier ?? {}) as Record<string, unknown>
      if (typeof namespace !== 'string' || typeof name !== 'string') continue
      const alias = this.#upsert('ol_datasets', { namespace, name }, at, offset)
      if (alias !== id) this.#sql.run('INSERT OR IGNORE INTO ol_symlinks VALUES (?, ?)', id, alias)
    }
  }

  #modified(id: number, at: string): void {
    this.#sql.run('UPDATE ol_datasets SET modified = ? WHERE id = ? AND (modified IS NULL OR modified < ?)', at, id, at)
  }

  /** The columns of an output as one job makes them: those of the job's latest word on it, all of them when it said several at once. */
  #columns(dataset: number, job: number, at: string, edges: readonly ColumnEdge[] | undefined, offset: LogOffset): void {
    if (edges === undefined) return
    const [known] = this.#sql.first<[string]>('SELECT at FROM ol_column_sets WHERE dataset = ? AND job = ?', dataset, job) ?? []
    if (known !== undefined && known > at) return
    if (known !== undefined && known < at) this.#sql.run('DELETE FROM ol_columns WHERE dataset = ? AND job = ?', dataset, job)
    if (known !== at) this.#sql.run('INSERT OR REPLACE INTO ol_column_sets VALUES (?, ?, ?)', dataset, job, at)
    for (const { field, from, fromField, kind, subtype, description, masking } of edges) {
      const source = this.#upsert('ol_datasets', from, at, offset)
      this.#sql.run(
        'INSERT OR IGNORE INTO ol_columns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        dataset,
        field,
        job,
        source,
        fromField,
        kind,
        subtype,
        description,
        masking ? 1 : 0,
      )
    }
  }

  #facets(kind: number, owner: number, members: readonly RawMember[], text: string, at: string): void {
    for (const { name, from, to } of members) {
      const facet = text.slice(from, to)
      const kept = isDeleted(facet) ? '' : facet
      this.#sql.run(
        `INSERT INTO ol_facets VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, text = excluded.text
         WHERE excluded.at > at OR (excluded.at = at AND excluded.text > text)`,
        kind,
        owner,
        name,
        at,
        kept,
      )
    }
  }

  #flow(job: number, dataset: number, written: 0 | 1): void {
    const key = `${job} ${dataset} ${written}`
    if (this.#flows.has(key)) return
    if (this.#flows.size >= rememberedMax) this.#flows.clear()
    this.#flows.add(key)
    this.#sql.run('INSERT OR IGNORE INTO ol_flows (job, dataset, written) VALUES (?, ?, ?)', job, dataset, written)
  }

  #run(
    event: OpenLineageEvent,
    id: string,
    job: number,
    micros: number,
    at: string,
    offset: LogOffset,
  ): ExternalChange | undefined {
    const row = this.#sql.first<RunRow>(
      'SELECT job, created, updated, started, state, parent, graph FROM ol_runs WHERE id = ?',
      id,
    )
    // Of a run that several jobs claim, each has its own part of the graph.
    const graphs = row === undefined ? {} : (JSON.parse(row[6]) as Record<number, RunGraph>)
    const known = graphs[job]
    const { run, change } = joinRun(event, micros, known)
    graphs[job] = run
    const graph = JSON.stringify(graphs)
    const parent = parentOf(event)?.run ?? null
    const state = runStateOf(event.eventType, at)
    const started = event.eventType === 'START' ? at : null
    const next: RunRow =
      row === undefined
        ? [job, at, at, started, state, parent, graph]
        : [
            Math.min(row[0], job),
            least(row[1], at) ?? at,
            greatest(row[2], at) ?? at,
            least(row[3], started),
            joinState(row[4], state),
            greatest(row[5], parent),
            graph,
          ]
    this.#sql.run('INSERT OR REPLACE INTO ol_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', id, ...next, offset)
    this.#sql.run('INSERT OR IGNORE INTO ol_events VALUES (?, ?)', id, offset)
    return known === undefined ? undefined : change
  }

  #upsert(table: 'ol_datasets' | 'ol_jobs', { namespace, name }: DatasetReference, at: string, offset: LogOffset): number {
    const key = `${table}\n${namespace}\n${name}`
    const known = this.#ids.get(key)
    if (known !== undefined) {
      this.#sql.run(
        `UPDATE ${table} SET created = min(created, ?), updated = max(updated, ?), changed = ? WHERE id = ?`,
        at,
        at,
        offset,
        known,
      )
      return known
    }
    const [id] = this.#sql.first<[number]>(
      `INSERT INTO ${table} (namespace, name, created, updated, changed) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (namespace, name) DO UPDATE SET created = min(created, excluded.created),
         updated = max(updated, excluded.updated), changed = excluded.changed RETURNING id`,
      namespace,
      name,
      at,
      at,
      offset,
    ) as [number]
    if (this.#ids.size >= rememberedMax) this.#ids.clear()
    this.#ids.set(key, id)
    return id
  }
}

/** The text of an event, cut where facets stand. */
class RawEvent {
  readonly text: string
  readonly #members = new Map<string, number>()

  constructor(text: string) {
    this.text = text
    for (const { name, from } of objectMembers(text, 0)) this.#members.set(name, from)
  }

  /** Where the value of a member of the event begins; -1 without it. */
  value(name: string): number {
    return this.#members.get(name) ?? -1
  }

  /** Where the elements of a member that is an array begin. */
  elements(name: string): number[] {
    const at = this.value(name)
    return at === -1 ? [] : (arrayElements(this.text, at)?.elements ?? []).map(([from]) => from)
  }

  facets(at: number): RawMember[] {
    return at === -1 ? [] : RawEvent.facetsAt(this.text, at)
  }

  /** The facets of the object that begins at `at`. Of two that have one name the last stands, as in JSON.parse. */
  static facetsAt(text: string, at: number): RawMember[] {
    const facets = memberValue(text, at, 'facets')
    if (facets === -1) return []
    return [...new Map(objectMembers(text, facets).map((member) => [member.name, member])).values()]
  }
}

function isDeleted(facet: string): boolean {
  if (!facet.includes('"_deleted"')) return false
  const value: unknown = JSON.parse(facet)
  return typeof value === 'object' && value !== null && isDeletion(value as Facets)
}

function parentOf(event: OpenLineageEvent): { readonly run: string; readonly job: DatasetReference } | undefined {
  const facet = facetOf(event.run?.facets, 'parent')
  const run = facetOf(facet, 'run')?.runId
  const { namespace, name } = facetOf(facet, 'job') ?? {}
  if (typeof run !== 'string' || typeof namespace !== 'string' || typeof name !== 'string') return undefined
  return { run, job: { namespace, name } }
}

function least(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b
  return a < b ? a : b
}

function greatest(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}
