/**
 * Keeps the tables of catalogue-schema.ts. Called for each event, in the order of the log, in one transaction with the graph. What
 * events say is joined in memory and written once for each row at the end of a batch: events come in streams about few things.
 */
import type { ExternalEvent } from '../../model/lineage-event.js'
import type { Statements } from '../database.js'
import type { LogOffset } from '../lineage-store.js'
import { CatalogueRuns } from './catalogue-runs.js'
import { catalogueTables, datasetFacets, jobFacets, noJob } from './catalogue-schema.js'
import { type ColumnEdge, columnEdges } from './column-edges.js'
import { ColumnSets } from './column-sets.js'
import { parseEventTime } from './event-time.js'
import { type ExplicitTarget, explicitOf, explicitOfJob } from './explicit-lineage.js'
import type { ExternalChange } from './external-contribution.js'
import { FacetTable } from './facet-table.js'
import { KnownWords, type Words } from './known-words.js'
import {
  type DatasetReference,
  type EventDataset,
  type EventJob,
  facetOf,
  isDeletionText,
  isText,
  type OpenLineageEvent,
  parentOf,
} from './open-lineage-event.js'
import { parsedEvent } from './parsed-event.js'
import { arrayElements, objectMembers } from './raw-json.js'

const rememberedMax = 100_000
const symlinksMax = 100

type Table = 'ol_datasets' | 'ol_jobs'

/** What a batch says of one job or dataset. */
interface Mention {
  readonly table: Table
  readonly id: number
  created: string
  updated: string
  /** When a run that wrote it was complete; of a job, its parent. */
  extra: string | null
  changed: LogOffset
}

export class CatalogueWriter {
  readonly #sql: Statements
  readonly #runs: CatalogueRuns
  readonly #columns: ColumnSets
  readonly #ids = new Map<string, number>()
  readonly #pairs = new Set<string>()
  readonly #mentions = new Map<string, Mention>()
  readonly #facets: FacetTable
  readonly #words = new KnownWords()

  constructor(sql: Statements) {
    this.#sql = sql
    this.#facets = new FacetTable(sql)
    this.#runs = new CatalogueRuns(sql)
    this.#columns = new ColumnSets(sql)
  }

  /** Takes in what an event says. Gives what it adds to the graph when earlier events told of its run. */
  take(offset: LogOffset, entry: ExternalEvent): ExternalChange | undefined {
    const event = parsedEvent(entry)
    const at = parseEventTime(event.eventTime)?.text ?? ''
    const taking: Taking = { event, raw: new RawEvent(entry.text), at, offset }
    if (event.job === undefined) {
      if (event.dataset !== undefined) this.#dataset(taking, event.dataset, taking.raw.value('dataset'), noJob)
      return undefined
    }
    const job = this.#job(taking, event.job)
    this.#datasets(taking, job)
    return event.run === undefined ? undefined : this.#runs.take(event, event.run.runId, job, { micros: entry.at, at, offset })
  }

  /** Writes what was taken in. Must be called before the transaction ends. */
  flush(): void {
    for (const { table, id, created, updated, extra, changed } of this.#mentions.values()) {
      const column = table === 'ol_jobs' ? 'parent' : 'modified'
      this.#sql.run(
        `UPDATE ${table} SET created = min(created, ?), updated = max(updated, ?), changed = ?,
           ${column} = CASE WHEN ${column} IS NULL OR ${column} < ? THEN ? ELSE ${column} END WHERE id = ?`,
        created,
        updated,
        changed,
        extra,
        extra,
        id,
      )
    }
    this.#mentions.clear()
    this.#facets.flush()
    this.#columns.flush()
    this.#runs.flush()
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
    this.#pairs.clear()
    this.#mentions.clear()
    this.#facets.forget()
    this.#words.forget()
    this.#columns.forget()
    this.#runs.forget()
  }

  /** Forgets runs whose events have left the log. Jobs and datasets stay. */
  truncate(offset: LogOffset): void {
    this.#runs.truncate(offset)
    this.#facets.tidy()
  }

  #job(taking: Taking, job: EventJob): number {
    const id = this.#mention('ol_jobs', job, taking)
    const parent = parentOf(taking.event)
    if (parent !== undefined) this.#extra('ol_jobs', id, `${parent.job.namespace}:${parent.job.name}`)
    const text = taking.raw.facets(taking.raw.value('job'))
    const { facets } = this.#words.of(`job ${id}`, text, (facetsText) => ({ ...noWords, facets: facetsIn(facetsText) }))
    this.#takeFacets(jobFacets, id, taking.at, facets)
    return id
  }

  #datasets(taking: Taking, job: number): void {
    const { event, raw } = taking
    const { targets, read } = explicitOfJob(event)
    const inputs = raw.elements('inputs')
    for (const [index, dataset] of (event.inputs ?? []).entries()) {
      this.#flow(job, this.#dataset(taking, dataset, inputs[index] ?? -1, job), 0)
    }
    const outputs = raw.elements('outputs')
    for (const [index, dataset] of (event.outputs ?? []).entries()) {
      const own = targets.filter(({ target }) => isSame(target, dataset))
      const id = this.#dataset(taking, dataset, outputs[index] ?? -1, job, own)
      this.#flow(job, id, 1)
      if (event.eventType === 'COMPLETE') this.#extra('ol_datasets', id, taking.at)
      for (const source of explicitOf(dataset)?.sources ?? []) this.#flow(job, this.#mention('ol_datasets', source, taking), 0)
    }
    for (const { target, sources } of targets) {
      const id = this.#mention('ol_datasets', target, taking)
      this.#flow(job, id, 1)
      for (const source of sources) this.#flow(job, this.#mention('ol_datasets', source, taking), 0)
      if (event.outputs?.some((output) => isSame(output, target)) === true) continue
      const { columns } = this.#columnWords(taking, columnEdges(target, [{ target, sources }]))
      if (columns !== undefined) this.#columns.take(id, job, taking.at, columns)
    }
    for (const dataset of read) this.#flow(job, this.#mention('ol_datasets', dataset, taking), 0)
  }

  /** Takes in what is said of a dataset; `own` is what the job's own explicit lineage says of it. */
  #dataset(taking: Taking, dataset: EventDataset, rawAt: number, job: number, own: readonly ExplicitTarget[] = []): number {
    const id = this.#mention('ol_datasets', dataset, taking)
    const takeApart = (text: string): Words => ({
      facets: facetsIn(text),
      ...this.#columnWords(taking, columnEdges(dataset, own)),
      aliases: aliasesOf(dataset),
    })
    const text = taking.raw.facets(rawAt)
    // What the job's own facet adds does not stand in this text.
    const words = own.length > 0 ? takeApart(text) : this.#words.of(`dataset ${id}`, text, takeApart)
    this.#takeFacets(datasetFacets, id, taking.at, words.facets)
    for (const source of words.sources) this.#mention('ol_datasets', source, taking)
    if (words.columns !== undefined) this.#columns.take(id, job, taking.at, words.columns)
    for (const alias of words.aliases) this.#symlink(id, this.#mention('ol_datasets', alias, taking))
    return id
  }

  #symlink(id: number, alias: number): void {
    if (alias === id || !this.#isNew(`symlink ${id} ${alias}`)) return
    this.#sql.run('INSERT OR IGNORE INTO ol_symlinks VALUES (?, ?)', id, alias)
  }

  #columnWords(taking: Taking, edges: readonly ColumnEdge[] | undefined): Pick<Words, 'columns' | 'sources'> {
    if (edges === undefined) return { columns: undefined, sources: [] }
    const sources = new Map<string, { readonly id: number; readonly from: DatasetReference }>()
    const columns = edges.map(({ field, from, fromField, kind, subtype, description, masking }) => {
      const key = `${from.namespace}\n${from.name}`
      const source = sources.get(key) ?? { id: this.#mention('ol_datasets', from, taking), from }
      sources.set(key, source)
      return [field, source.id, fromField, kind, subtype, description, masking ? 1 : 0] as const
    })
    return { columns, sources: [...sources.values()].map(({ from }) => from) }
  }

  #takeFacets(kind: number, owner: number, at: string, facets: Words['facets']): void {
    for (const { name, text } of facets) this.#facets.take({ kind, owner, name, at, text })
  }

  #flow(job: number, dataset: number, written: 0 | 1): void {
    if (!this.#isNew(`flow ${job} ${dataset} ${written}`)) return
    this.#sql.run('INSERT OR IGNORE INTO ol_flows (job, dataset, written) VALUES (?, ?, ?)', job, dataset, written)
  }

  /** The id of a job or dataset, made when it is not known; that it was named is noted. */
  #mention(table: Table, { namespace, name }: DatasetReference, { at, offset }: Taking): number {
    const id = this.#idOf(table, namespace, name, at, offset)
    const key = `${table} ${id}`
    const known = this.#mentions.get(key)
    if (known === undefined) this.#mentions.set(key, { table, id, created: at, updated: at, extra: null, changed: offset })
    else {
      if (at < known.created) known.created = at
      if (at > known.updated) known.updated = at
      known.changed = offset
    }
    return id
  }

  #extra(table: Table, id: number, value: string): void {
    const mention = this.#mentions.get(`${table} ${id}`)
    if (mention !== undefined && (mention.extra === null || mention.extra < value)) mention.extra = value
  }

  #idOf(table: Table, namespace: string, name: string, at: string, offset: LogOffset): number {
    const key = `${table}\n${namespace}\n${name}`
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const [id] = this.#sql.first<[number]>(
      `INSERT INTO ${table} (namespace, name, created, updated, changed) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (namespace, name) DO UPDATE SET changed = excluded.changed RETURNING id`,
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

  #isNew(pair: string): boolean {
    if (this.#pairs.has(pair)) return false
    if (this.#pairs.size >= rememberedMax) this.#pairs.clear()
    this.#pairs.add(pair)
    return true
  }
}

const noWords: Words = { facets: [], columns: undefined, sources: [], aliases: [] }

/** An event while it is taken in. */
interface Taking {
  readonly event: OpenLineageEvent
  readonly raw: RawEvent
  readonly at: string
  readonly offset: LogOffset
}

/** The text of an event, and where its members stand in it. */
class RawEvent {
  readonly text: string
  readonly #members = new Map<string, number>()

  constructor(text: string) {
    this.text = text
    for (const { name, from } of objectMembers(text, 0)) this.#members.set(name, from)
  }

  /** Where the value of a member begins; -1 without it. */
  value(name: string): number {
    return this.#members.get(name) ?? -1
  }

  /** The facets of the job or dataset that begins at `at`, as they were sent; '' without any. */
  facets(at: number): string {
    const member = at === -1 ? undefined : objectMembers(this.text, at).findLast(({ name }) => name === 'facets')
    return member === undefined ? '' : this.text.slice(member.from, member.to)
  }

  /** Where the elements of a member that is an array begin. */
  elements(name: string): number[] {
    const at = this.value(name)
    return at === -1 ? [] : (arrayElements(this.text, at)?.elements ?? []).map(([from]) => from)
  }
}

/** The facets of an object of facets; '' for one that is gone. Of two that have one name the last stands, as in JSON.parse. */
function facetsIn(text: string): Words['facets'] {
  const members = new Map(objectMembers(text, 0).map(({ name, from, to }) => [name, text.slice(from, to)]))
  return [...members].map(([name, facet]) => ({ name, text: isDeletionText(facet) ? '' : facet }))
}

function aliasesOf(dataset: EventDataset): DatasetReference[] {
  const symlinks = facetOf(dataset.facets, 'symlinks')?.identifiers
  if (!Array.isArray(symlinks)) return []
  return symlinks.slice(0, symlinksMax).flatMap((identifier: unknown) => {
    const { namespace, name } = (identifier ?? {}) as Record<string, unknown>
    return isText(namespace) && isText(name) ? [{ namespace, name }] : []
  })
}

function isSame(a: DatasetReference, b: DatasetReference): boolean {
  return a.namespace === b.namespace && a.name === b.name
}
