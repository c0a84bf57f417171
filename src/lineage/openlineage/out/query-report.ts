/**
 * A query of Forebay's own as OpenLineage events. Parts of what is known of it come at different times: its state from the
 * engine, its tasks from the nodes, a little after the answer. `QueryReport` gathers them.
 */
import { randomUUID } from 'node:crypto'
import type {
  AnswerEvent,
  ColumnEvent,
  ColumnLineage,
  LineageEvent,
  TaskEvent,
  WrittenEvent,
} from '../../../model/lineage-event.js'
import type { QueryStatus } from '../../../model/query.js'
import type { Column } from '../../../model/segment.js'
import { executionFacet } from './execution-facet.js'

/** How events of this Forebay are marked. */
export interface ReportOptions {
  readonly namespace: string
  readonly version: string
  /** What of a query's text is told: all of it, its shape without literals, or nothing. */
  readonly sql: 'text' | 'template' | 'none'
  /** What is known of a table at this moment. */
  readonly table: (name: string) => ReportedTable | undefined
}
export interface ReportedTable {
  readonly columns: readonly Column[]
  readonly snapshot?: string
  /** Folder or file that the table is read from. */
  readonly path?: string
}

type EventType = 'START' | 'COMPLETE' | 'FAIL' | 'ABORT'
type Facet = Readonly<Record<string, unknown>>

const specification = 'https://openlineage.io/spec'
/** Tasks of one query that are told one by one; the sums are of all of them. */
const tasksMax = 10_000

export class QueryReport {
  /** A time-ordered UUID: made once, so that all events of the query have it. */
  readonly runId: string
  readonly #options: ReportOptions
  readonly #tasks: TaskEvent[] = []
  readonly #taskIds = new Set<string>()
  #status: QueryStatus
  #datasets: readonly string[] = []
  #isSelect = false
  #columns: ColumnEvent | undefined
  #written: WrittenEvent | undefined
  #answer: AnswerEvent | undefined

  constructor(status: QueryStatus, options: ReportOptions) {
    this.#status = status
    this.#options = options
    this.runId = timeOrderedId(status.submittedAt)
  }

  /** True once the query has ended, every task of it has told of itself, and it is known what it gave. */
  get whole(): boolean {
    const { state, actual } = this.#status
    if (state !== 'finished') return this.ended
    return this.#tasks.length >= (actual?.tasks ?? 0) && this.#outcomeIsKnown
  }

  /** A write ends with its commit, a select with its answer; other statements have neither, and hardly ever a task. */
  get #outcomeIsKnown(): boolean {
    if (this.#tasks.some(({ kind }) => kind === 'write')) return this.#written !== undefined
    return this.#answer !== undefined || (this.#tasks.length === 0 && !this.#isSelect)
  }

  get ended(): boolean {
    return ['finished', 'failed', 'cancelled'].includes(this.#status.state)
  }

  notice(status: QueryStatus): void {
    this.#status = status
  }

  /** A select was planned over these tables. */
  planned(datasets: readonly string[]): void {
    this.#isSelect = true
    this.#datasets = datasets
  }

  recorded(event: LineageEvent): void {
    if (event.kind === 'columns') this.#columns = event
    else if (event.kind === 'written') this.#written = event
    else if (event.kind === 'answer') this.#answer = event
    else if ('baseReads' in event && this.#tasks.length < tasksMax && !this.#taskIds.has(event.id)) {
      this.#taskIds.add(event.id)
      this.#tasks.push(event)
    }
  }

  start(): object {
    const { startedAt, submittedAt } = this.#status
    return this.#event('START', startedAt ?? submittedAt)
  }

  end(): object {
    const { state, finishedAt, submittedAt } = this.#status
    const type = state === 'finished' ? 'COMPLETE' : state === 'cancelled' ? 'ABORT' : 'FAIL'
    return this.#event(type, finishedAt ?? submittedAt)
  }

  #event(eventType: EventType, at: number): object {
    const ended = eventType !== 'START'
    const done = eventType === 'COMPLETE'
    return {
      eventType,
      eventTime: new Date(at).toISOString(),
      producer: this.#producer(),
      schemaURL: `${specification}/2-0-2/OpenLineage.json#/$defs/RunEvent`,
      run: { runId: this.runId, facets: { ...this.#runFacets(), ...(ended ? this.#endFacets() : {}) } },
      job: { namespace: this.#options.namespace, name: this.#jobName(), facets: this.#jobFacets() },
      inputs: this.#inputs(ended),
      outputs: done ? this.#outputs() : [],
    }
  }

  #jobName(): string {
    const { fingerprint } = this.#status
    return fingerprint === undefined ? 'query.unplanned' : `query.${fingerprint}`
  }

  #runFacets(): Facet {
    const engine = { version: this.#options.version, name: 'forebay', openlineageAdapterVersion: this.#options.version }
    const { queryId } = this.#status
    return {
      processing_engine: this.#facet('ProcessingEngineRunFacet', '1-1-1', engine),
      externalQuery: this.#facet('ExternalQueryRunFacet', '1-0-2', { externalQueryId: queryId, source: this.#options.namespace }),
    }
  }

  #endFacets(): Facet {
    const { error } = this.#status
    const execution = { _producer: this.#producer(), ...executionFacet(this.#status, this.#tasks, this.#answer) }
    if (error === undefined) return { forebay_execution: execution }
    // A message may quote the query, and values that it has met.
    const message = this.#options.sql === 'text' ? `${error.code}: ${error.message}` : error.code
    const facet = this.#facet('ErrorMessageRunFacet', '1-0-1', { message, programmingLanguage: 'SQL' })
    return { forebay_execution: execution, errorMessage: facet }
  }

  #jobFacets(): Facet {
    const { sql, template } = this.#status
    const told = this.#options.sql
    const query = told === 'text' ? sql : told === 'template' ? template : undefined
    return {
      jobType: this.#facet('JobTypeJobFacet', '2-0-3', { processingType: 'BATCH', integration: 'FOREBAY', jobType: 'QUERY' }),
      ...(query === undefined ? {} : { sql: this.#facet('SQLJobFacet', '1-1-0', { query, dialect: 'duckdb' }) }),
    }
  }

  #inputs(withStatistics: boolean): object[] {
    const reads = new Map<string, { rows: number; bytes: number; snapshot: string }>()
    for (const { baseReads } of this.#tasks) {
      for (const { dataset, rows, bytes, snapshot } of baseReads) {
        const sum = reads.get(dataset) ?? { rows: 0, bytes: 0, snapshot }
        reads.set(dataset, { rows: sum.rows + rows, bytes: sum.bytes + bytes, snapshot })
      }
    }
    const named = this.#columns?.columns.flatMap(({ inputs }) => inputs.map(({ dataset }) => dataset)) ?? []
    return [...new Set([...this.#datasets, ...reads.keys(), ...named])].sort().map((name) => {
      const read = reads.get(name)
      const input = { namespace: this.#options.namespace, name, facets: this.#tableFacets(name, read?.snapshot) }
      if (!withStatistics || read === undefined) return input
      const { rows: rowCount, bytes: size } = read
      return {
        ...input,
        inputFacets: { inputStatistics: this.#facet('InputStatisticsInputDatasetFacet', '1-0-0', { rowCount, size }) },
      }
    })
  }

  /** The written table, or the answer, which is a dataset of its own so that its columns can be followed. */
  #outputs(): object[] {
    const { fingerprint = 'unplanned', actual } = this.#status
    const columns = this.#columns?.columns ?? []
    const written = this.#written
    if (written !== undefined) {
      const sizes = written.segments.reduce((sum, { rows, bytes }) => ({ rows: sum.rows + rows, bytes: sum.bytes + bytes }), {
        rows: 0,
        bytes: 0,
      })
      const facets = { ...this.#tableFacets(written.table, written.snapshot), ...this.#columnFacet(columns) }
      return [this.#output(written.table, facets, sizes)]
    }
    if (this.#answer === undefined && columns.length === 0) return []
    const facets = {
      datasetType: this.#facet('DatasetTypeDatasetFacet', '1-0-0', { datasetType: 'QUERY_RESULT' }),
      ...(this.#answer === undefined ? {} : this.#schemaFacet(this.#answer.columns)),
      ...this.#columnFacet(columns),
    }
    return [this.#output(`answer.${fingerprint}`, facets, { rows: actual?.rows ?? 0, bytes: actual?.bytes ?? 0 })]
  }

  #output(name: string, facets: Facet, { rows, bytes }: { readonly rows: number; readonly bytes: number }): object {
    const statistics = this.#facet('OutputStatisticsOutputDatasetFacet', '1-0-2', { rowCount: rows, size: bytes })
    return { namespace: this.#options.namespace, name, facets, outputFacets: { outputStatistics: statistics } }
  }

  #tableFacets(name: string, snapshot: string | undefined): Facet {
    const table = this.#options.table(name)
    const version = snapshot ?? table?.snapshot
    const place = table?.path === undefined ? [] : [{ namespace: 'file', name: table.path, type: 'LOCATION' }]
    return {
      ...(table === undefined ? {} : this.#schemaFacet(table.columns)),
      ...(version === undefined
        ? {}
        : { version: this.#facet('DatasetVersionDatasetFacet', '1-0-1', { datasetVersion: version }) }),
      ...(place.length === 0 ? {} : { symlinks: this.#facet('SymlinksDatasetFacet', '1-0-1', { identifiers: place }) }),
    }
  }

  #schemaFacet(columns: readonly Column[]): Facet {
    return { schema: this.#facet('SchemaDatasetFacet', '1-1-1', { fields: columns.map(({ name, type }) => ({ name, type })) }) }
  }

  #columnFacet(columns: readonly ColumnLineage[]): Facet {
    if (columns.length === 0) return {}
    const { namespace } = this.#options
    const fields = columns.map(({ column, inputs }) => {
      const inputFields = new Map<string, { namespace: string; name: string; field: string; transformations: object[] }>()
      for (const { dataset: name, column: field, kind: type, subtype } of inputs) {
        const key = `${name}\n${field}`
        const input = inputFields.get(key) ?? { namespace, name, field, transformations: [] }
        input.transformations.push({ type, subtype, description: '', masking: false })
        inputFields.set(key, input)
      }
      return [column, { inputFields: [...inputFields.values()] }] as const
    })
    return { columnLineage: this.#facet('ColumnLineageDatasetFacet', '1-2-0', { fields: Object.fromEntries(fields) }) }
  }

  #facet(name: string, version: string, content: object): Facet {
    return {
      _producer: this.#producer(),
      _schemaURL: `${specification}/facets/${version}/${name}.json#/$defs/${name}`,
      ...content,
    }
  }

  #producer(): string {
    return `urn:forebay:${this.#options.version}`
  }
}

/** A UUID of version 7: the time in front, so that runs sort by it. */
function timeOrderedId(epochMs: number): string {
  const time = Math.max(0, Math.round(epochMs)).toString(16).padStart(12, '0').slice(-12)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
