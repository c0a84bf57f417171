/** Answers of `/api/v1` about what other programs reported, as JSON texts. Lives in the reader's thread. */
import { ForebayError } from '../../model/errors.js'
import { type Database, Statements } from '../database.js'
import { loggedEvent } from '../log/log-body.js'
import type { CatalogueRequest } from './catalogue-request.js'
import { datasetFacets, jobFacets } from './catalogue-schema.js'
import { ColumnNodes } from './column-nodes.js'
import { FlowGraph } from './flow-graph.js'
import { LineageNodes } from './lineage-nodes.js'
import {
  type DatasetRow,
  datasetJson,
  type FacetTexts,
  facetsJson,
  type JobRow,
  jobJson,
  type RunRow,
  runJson,
  shortTime,
} from './marquez-shapes.js'
import { runDetails } from './run-details.js'

type DatasetTuple = [number, string, string, string, string, string | null]
type RunTuple = [string, string, string, string, string, string | null, string, string | null]

const datasetColumns = 'id, namespace, name, created, updated, modified'
const jobColumns = 'id, namespace, name, created, updated, parent'
const runColumns = 'r.id, j.namespace, j.name, r.created, r.updated, r.started, r.state, r.parent'
const runsOfJob = 10
/** Most characters of a list; facets may have megabytes each. */
const answerMax = 64 << 20

export class CatalogueReader {
  readonly #sql: Statements
  readonly #log: Statements
  readonly #graph: FlowGraph
  readonly #nodes: LineageNodes
  readonly #columns: ColumnNodes

  constructor(graph: Database, log: Database) {
    this.#sql = new Statements(graph)
    this.#log = new Statements(log)
    this.#graph = new FlowGraph(this.#sql)
    this.#nodes = new LineageNodes(this.#sql, this.#graph)
    this.#columns = new ColumnNodes(this.#sql, this.#graph, this.#nodes)
  }

  /** The JSON of one answer. Throws NOT_FOUND for a name that nobody reported, REQUEST_INVALID for a node id that is none. */
  answer(request: CatalogueRequest): string {
    switch (request.what) {
      case 'lineage':
        return this.#nodes.lineage(request.nodeId, request.depth)
      case 'columns':
        return this.#columns.lineage(request.nodeId, request.depth, request.downstream)
      case 'namespaces':
        return this.#namespaces(request.limit, request.offset)
      case 'namespace':
        return this.#namespace(request.name)
      case 'datasets':
        return this.#datasets(request.namespace, request.limit, request.offset)
      case 'dataset':
        return this.#dataset(request.namespace, request.name)
      case 'jobs':
        return this.#jobs(request.namespace, request.limit, request.offset)
      case 'job':
        return this.#job(this.#jobRow(request.namespace, request.name), true)
      case 'runs':
        return this.#runs(request.namespace, request.job, request.limit, request.offset)
      case 'run':
        return this.#run(request.id)
      case 'run-facets':
        return this.#runFacets(request.id, request.type)
      case 'events':
        return this.#events(request.limit, request.offset)
      case 'search':
        return this.#search(request.text, request.type, request.limit)
    }
  }

  #namespaces(limit: number, offset: number): string {
    const rows = this.#sql.all<[string, string, string]>(
      `SELECT namespace, min(created), max(updated) FROM (SELECT namespace, created, updated FROM ol_jobs
         UNION ALL SELECT namespace, created, updated FROM ol_datasets) GROUP BY namespace ORDER BY namespace LIMIT ? OFFSET ?`,
      limit,
      offset,
    )
    return JSON.stringify({ namespaces: rows.map(namespaceOf) })
  }

  #namespace(name: string): string {
    const row = this.#sql.first<[string, string | null, string | null]>(
      `SELECT ?, min(created), max(updated) FROM (SELECT created, updated FROM ol_jobs WHERE namespace = ?
         UNION ALL SELECT created, updated FROM ol_datasets WHERE namespace = ?)`,
      name,
      name,
      name,
    )
    if (row === undefined || row[1] === null) throw notFound('namespace', name)
    return JSON.stringify(namespaceOf(row as [string, string, string]))
  }

  #datasets(namespace: string | undefined, limit: number, offset: number): string {
    const [where, values] = namespace === undefined ? ['', []] : ['WHERE namespace = ?', [namespace]]
    const rows = this.#sql.all<DatasetTuple>(
      `SELECT ${datasetColumns} FROM ol_datasets ${where} ORDER BY namespace, name LIMIT ? OFFSET ?`,
      ...values,
      limit,
      offset,
    )
    const [total = 0] = this.#sql.first<[number]>(`SELECT count(*) FROM ol_datasets ${where}`, ...values) ?? []
    const texts = within(rows, (row) => datasetJson(datasetRow(row), this.#facets(datasetFacets, [row[0]]), true))
    return `{"datasets":[${texts.join(',')}],"totalCount":${total}}`
  }

  #dataset(namespace: string, name: string): string {
    const find = `SELECT ${datasetColumns} FROM ol_datasets WHERE namespace = ? AND name = ?`
    const row = this.#sql.first<DatasetTuple>(find, namespace, name)
    if (row === undefined) throw notFound('dataset', `${namespace}:${name}`)
    this.#graph.refresh()
    const head = this.#graph.head(row[0])
    // A name that another dataset calls its own has that one's facets, where it has none of its own.
    return datasetJson(datasetRow(row), this.#facets(datasetFacets, head === row[0] ? [row[0]] : [head, row[0]]), true)
  }

  #jobs(namespace: string | undefined, limit: number, offset: number): string {
    const [where, values] = namespace === undefined ? ['', []] : ['WHERE namespace = ?', [namespace]]
    const rows = this.#sql.all<[number, string, string, string, string, string | null]>(
      `SELECT ${jobColumns} FROM ol_jobs ${where} ORDER BY namespace, name LIMIT ? OFFSET ?`,
      ...values,
      limit,
      offset,
    )
    const [total = 0] = this.#sql.first<[number]>(`SELECT count(*) FROM ol_jobs ${where}`, ...values) ?? []
    return `{"jobs":[${within(rows, (row) => this.#job(jobRow(row), false)).join(',')}],"totalCount":${total}}`
  }

  #jobRow(namespace: string, name: string): JobRow {
    const row = this.#sql.first<[number, string, string, string, string, string | null]>(
      `SELECT ${jobColumns} FROM ol_jobs WHERE namespace = ? AND name = ?`,
      namespace,
      name,
    )
    if (row === undefined) throw notFound('job', `${namespace}:${name}`)
    return jobRow(row)
  }

  #job(row: JobRow, whole: boolean): string {
    const references = (written: number): object[] =>
      this.#sql
        .all<[string, string]>(
          `SELECT d.namespace, d.name FROM ol_flows f CROSS JOIN ol_datasets d ON d.id = f.dataset
           WHERE f.job = ? AND f.written = ? ORDER BY d.namespace, d.name`,
          row.id,
          written,
        )
        .map(([namespace, name]) => ({ namespace, name }))
    const flows = { inputs: references(0), outputs: references(1) }
    const runs = this.#runsOf(row.id, whole ? runsOfJob : 1, 0).map((run, index) =>
      whole && index === 0 ? this.#wholeRun(run) : runJson(run),
    )
    return jobJson(row, flows, this.#facets(jobFacets, [row.id]), runs, true)
  }

  #runs(namespace: string, job: string, limit: number, offset: number): string {
    const { id } = this.#jobRow(namespace, job)
    const [total = 0] = this.#sql.first<[number]>('SELECT count(*) FROM ol_runs WHERE job = ?', id) ?? []
    const runs = within(this.#runsOf(id, limit, offset), (run) => this.#wholeRun(run))
    return `{"runs":[${runs.join(',')}],"totalCount":${total}}`
  }

  #run(id: string): string {
    const row = this.#sql.first<RunTuple>(`SELECT ${runColumns} FROM ol_runs r JOIN ol_jobs j ON j.id = r.job WHERE r.id = ?`, id)
    if (row === undefined) throw notFound('run', id)
    return this.#wholeRun(runRow(row))
  }

  #runFacets(id: string, type: 'run' | 'job'): string {
    if (this.#sql.first('SELECT 1 FROM ol_runs WHERE id = ?', id) === undefined) throw notFound('run', id)
    const details = runDetails(this.#sql, this.#log, id)
    return `{"runId":${JSON.stringify(id)},"facets":${facetsJson(type === 'run' ? details.run : details.job)}}`
  }

  #runsOf(job: number, limit: number, offset: number): RunRow[] {
    return this.#sql
      .all<RunTuple>(
        `SELECT ${runColumns} FROM ol_runs r JOIN ol_jobs j ON j.id = r.job
         WHERE r.job = ? ORDER BY r.created DESC, r.id DESC LIMIT ? OFFSET ?`,
        job,
        limit,
        offset,
      )
      .map(runRow)
  }

  #wholeRun(run: RunRow): string {
    const { run: facets, nominal, datasets } = runDetails(this.#sql, this.#log, run.id)
    return runJson(run, { facets, nominal, datasets })
  }

  /** The events themselves, the last to arrive first, as they came. */
  #events(limit: number, offset: number): string {
    const offsets = this.#log.all<[number]>(
      "SELECT offset FROM log WHERE id >= 'ol-' AND id < 'ol.' ORDER BY offset DESC LIMIT ? OFFSET ?",
      limit,
      offset,
    )
    const texts = within(offsets, ([at]) => {
      const [body = ''] = this.#log.first<[string]>('SELECT body FROM log WHERE offset = ?', at) ?? []
      const event = loggedEvent(body)
      return event.kind === 'openlineage' ? event.text : 'null'
    })
    return `{"events":[${texts.join(',')}]}`
  }

  #search(text: string, type: 'JOB' | 'DATASET' | undefined, limit: number): string {
    const pattern = `%${text.replace(/[\\%_]/g, '\\$&')}%`
    const results = (['DATASET', 'JOB'] as const)
      .filter((each) => type === undefined || type === each)
      .flatMap((each) =>
        this.#sql
          .all<[string, string, string]>(
            `SELECT namespace, name, updated FROM ${each === 'JOB' ? 'ol_jobs' : 'ol_datasets'}
             WHERE name LIKE ? ESCAPE '\\' ORDER BY name, namespace LIMIT ?`,
            pattern,
            limit,
          )
          .map(([namespace, name, updated]) => ({
            type: each,
            name,
            updatedAt: shortTime(updated),
            namespace,
            nodeId: `${each.toLowerCase()}:${namespace}:${name}`,
          })),
      )
      .slice(0, limit)
    return JSON.stringify({ totalCount: results.length, results })
  }

  #facets(kind: number, owners: readonly number[]): FacetTexts {
    const facets = new Map<string, string>()
    for (const owner of owners) {
      for (const [name, text] of this.#sql.all<[string, string]>(
        `SELECT f.name, t.text FROM ol_facets f CROSS JOIN ol_texts t ON t.id = f.text
         WHERE f.kind = ? AND f.owner = ? AND t.text <> '' ORDER BY f.name`,
        kind,
        owner,
      )) {
        facets.set(name, text)
      }
    }
    return facets
  }
}

/** The texts of some rows. Throws RESULT_TOO_LARGE instead of filling the memory with somebody's facets. */
function within<T>(rows: readonly T[], textOf: (row: T) => string): string[] {
  let length = 0
  return rows.map((row) => {
    const text = textOf(row)
    length += text.length
    if (length <= answerMax || rows.length === 1) return text
    throw new ForebayError('RESULT_TOO_LARGE', `the answer has more than ${answerMax} characters`, {
      hint: 'ask for fewer with limit and offset',
    })
  })
}

function datasetRow([id, namespace, name, created, updated, modified]: DatasetTuple): DatasetRow {
  return { id, namespace, name, created, updated, modified }
}

function jobRow([id, namespace, name, created, updated, parent]: DatasetTuple): JobRow {
  return { id, namespace, name, created, updated, parent }
}

function runRow([id, namespace, job, created, updated, started, state, parent]: RunTuple): RunRow {
  return { id, namespace, job, created, updated, started, state, parent }
}

function namespaceOf([name, created, updated]: readonly [string, string, string]): object {
  return {
    name,
    createdAt: shortTime(created),
    updatedAt: shortTime(updated),
    ownerName: 'anonymous',
    description: null,
    isHidden: false,
  }
}

function notFound(what: string, name: string): ForebayError {
  return new ForebayError('NOT_FOUND', `${what} "${name.slice(0, 200)}" was not reported by any event`)
}
