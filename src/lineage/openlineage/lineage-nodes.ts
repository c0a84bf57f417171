/** `GET /api/v1/lineage`: jobs and datasets around a node, with their edges, as Marquez gives them. */
import { ForebayError } from '../../model/errors.js'
import type { Statements } from '../database.js'
import { datasetFacets, jobFacets } from './catalogue-schema.js'
import type { FlowGraph } from './flow-graph.js'
import { type DatasetRow, datasetJson, type FacetTexts, type JobRow, jobJson, type RunRow, runJson } from './marquez-shapes.js'
import { cuts, parseNodeId } from './node-id.js'

/** Most jobs of one answer; beyond it the answer says that it was cut off. */
const jobsMax = 20_000
/** Characters of texts of nodes that are kept. */
const keptMax = 64 << 20

interface KeptNode {
  /** `dataset:NS:NAME`, quoted. */
  readonly id: string
  /** The JSON of the node up to its edges. */
  readonly head: string
  readonly reference: object
  readonly changed: number
  epoch: number
  /** The whole node with all of its edges, made when it is first asked for. */
  whole?: string
}

/** Facets that a node of the graph shows something of. */
const shownFacets = JSON.stringify([
  'schema',
  'dataSource',
  'lifecycleStateChange',
  'datasetType',
  'documentation',
  'tags',
  'version',
  'jobType',
  'sourceCodeLocation',
])

export class LineageNodes {
  readonly #sql: Statements
  readonly #graph: FlowGraph
  readonly #jobs = new Map<number, KeptNode>()
  readonly #datasets = new Map<number, KeptNode>()
  #keptLength = 0
  #generation = 0

  constructor(sql: Statements, graph: FlowGraph) {
    this.#sql = sql
    this.#graph = graph
  }

  /** `{"graph":[…]}` for the jobs at most `depth` hops away. NOT_FOUND when nothing is known of the node. */
  lineage(nodeId: string, depth: number): string {
    const epoch = this.#graph.refresh()
    const { datasets: alone, jobs: start } = this.#start(nodeId)
    const { jobs, truncated } = this.#graph.around(start, depth, jobsMax)
    const datasets = new Set(alone)
    for (const job of jobs) {
      for (const dataset of this.#graph.inputs(job)) datasets.add(dataset)
      for (const dataset of this.#graph.outputs(job)) datasets.add(dataset)
    }
    this.#load([...datasets], [...jobs], epoch)
    const nodes: string[] = []
    for (const job of jobs) nodes.push(this.#jobNode(job))
    for (const dataset of datasets) nodes.push(this.#datasetNode(dataset, jobs))
    return `{"graph":[${nodes.join(',')}]${truncated ? ',"truncated":true' : ''}}`
  }

  /** The dataset that `NS:NAME` names, as the one that stands for it. */
  dataset(name: string): number | undefined {
    const id = this.#find('ol_datasets', name)
    return id === undefined ? undefined : this.#graph.head(id)
  }

  /** The job that `NS:NAME` names. */
  job(name: string): number | undefined {
    return this.#find('ol_jobs', name)
  }

  #start(nodeId: string): { readonly jobs: Iterable<number>; readonly datasets: readonly number[] } {
    const { type, rest } = parseNodeId(nodeId)
    if (type === 'job') {
      const job = this.job(rest)
      if (job !== undefined) return { jobs: [job], datasets: [] }
    } else if (type === 'dataset') {
      const dataset = this.dataset(rest)
      if (dataset !== undefined) {
        return { jobs: [...this.#graph.writers(dataset), ...this.#graph.readers(dataset)], datasets: [dataset] }
      }
    }
    throw new ForebayError('NOT_FOUND', `no lineage is known of "${nodeId.slice(0, 200)}"`)
  }

  #find(table: 'ol_jobs' | 'ol_datasets', name: string): number | undefined {
    for (const [namespace, rest] of cuts(name)) {
      const row = this.#sql.first<[number]>(`SELECT id FROM ${table} WHERE namespace = ? AND name = ?`, namespace, rest)
      if (row !== undefined) return row[0]
    }
    return undefined
  }

  #jobNode(job: number): string {
    const node = this.#jobs.get(job) as KeptNode
    if (node.whole !== undefined) return node.whole
    const edges = (datasets: ReadonlySet<number>, into: boolean): string =>
      [...datasets]
        .map((dataset) => edge(this.#idOf(dataset), node.id, into))
        .sort()
        .join(',')
    node.whole = `${node.head},"inEdges":[${edges(this.#graph.inputs(job), true)}],"outEdges":[${edges(this.#graph.outputs(job), false)}]}`
    this.#keptLength += node.whole.length
    return node.whole
  }

  #datasetNode(dataset: number, shown: ReadonlySet<number>): string {
    const node = this.#datasets.get(dataset) as KeptNode
    const [writers, readers] = [this.#graph.writers(dataset), this.#graph.readers(dataset)]
    const all = isWithin(writers, shown) && isWithin(readers, shown)
    if (all && node.whole !== undefined) return node.whole
    const edges = (jobs: ReadonlySet<number>, into: boolean): string => {
      const texts: string[] = []
      for (const job of jobs) if (shown.has(job)) texts.push(edge(this.#jobs.get(job)?.id ?? '', node.id, into))
      return texts.sort().join(',')
    }
    const whole = `${node.head},"inEdges":[${edges(writers, true)}],"outEdges":[${edges(readers, false)}]}`
    if (all) {
      node.whole = whole
      this.#keptLength += whole.length
    }
    return whole
  }

  #idOf(dataset: number): string {
    return this.#datasets.get(dataset)?.id ?? ''
  }

  /** Brings the texts of some nodes up to the present. */
  #load(datasets: readonly number[], jobs: readonly number[], epoch: number): void {
    if (this.#keptLength > keptMax || this.#generation !== this.#graph.generation) {
      this.#generation = this.#graph.generation
      this.#jobs.clear()
      this.#datasets.clear()
      this.#keptLength = 0
    }
    const oldDatasets = this.#outdated('ol_datasets', this.#datasets, datasets, epoch)
    const datasetTexts = this.#facets(datasetFacets, oldDatasets)
    for (const row of this.#rows<DatasetRow & { changed: number }>('ol_datasets', 'modified', oldDatasets)) {
      const text = datasetJson(row, datasetTexts.get(row.id) ?? new Map(), false)
      this.#keep(this.#datasets, 'DATASET', row, text, epoch)
    }
    const oldJobs = this.#outdated('ol_jobs', this.#jobs, jobs, epoch)
    const jobTexts = this.#facets(jobFacets, oldJobs)
    const runs = this.#latestRuns(oldJobs)
    for (const row of this.#rows<JobRow & { changed: number }>('ol_jobs', 'parent', oldJobs)) {
      const references = (ids: ReadonlySet<number>): object[] =>
        [...ids]
          .flatMap((id) => this.#datasets.get(id) ?? [])
          .sort((a, b) => (a.id < b.id ? -1 : 1))
          .map(({ reference }) => reference)
      const flows = { inputs: references(this.#graph.inputs(row.id)), outputs: references(this.#graph.outputs(row.id)) }
      const run = runs.get(row.id)
      const text = jobJson(row, flows, jobTexts.get(row.id) ?? new Map(), run === undefined ? [] : [runJson(run)], false)
      this.#keep(this.#jobs, 'JOB', row, text, epoch)
    }
  }

  #keep(
    kept: Map<number, KeptNode>,
    type: 'JOB' | 'DATASET',
    row: { readonly id: number; readonly namespace: string; readonly name: string; readonly changed: number },
    data: string,
    epoch: number,
  ): void {
    const { namespace, name } = row
    const id = JSON.stringify(`${type.toLowerCase()}:${namespace}:${name}`)
    const head = `{"id":${id},"type":"${type}","data":${data}`
    this.#keptLength += head.length
    kept.set(row.id, { id, head, reference: { namespace, name }, changed: row.changed, epoch })
  }

  /** Those whose text is missing or older than their row. */
  #outdated(table: string, kept: ReadonlyMap<number, KeptNode>, ids: readonly number[], epoch: number): number[] {
    const unsure = ids.filter((id) => kept.get(id)?.epoch !== epoch)
    if (unsure.length === 0) return []
    const rows = this.#sql.all<[number, number]>(
      `SELECT t.id, t.changed FROM json_each(?) f CROSS JOIN ${table} t ON t.id = f.value`,
      JSON.stringify(unsure),
    )
    const old: number[] = []
    for (const [id, changed] of rows) {
      const node = kept.get(id)
      if (node?.changed === changed) node.epoch = epoch
      else old.push(id)
    }
    return old
  }

  #rows<T>(table: string, more: string, ids: readonly number[]): T[] {
    if (ids.length === 0) return []
    const rows = this.#sql.all<[number, string, string, string, string, string | null, number]>(
      `SELECT t.id, t.namespace, t.name, t.created, t.updated, t.${more}, t.changed
       FROM json_each(?) f CROSS JOIN ${table} t ON t.id = f.value`,
      JSON.stringify(ids),
    )
    return rows.map(
      ([id, namespace, name, created, updated, extra, changed]) =>
        ({ id, namespace, name, created, updated, [more]: extra, changed }) as T,
    )
  }

  #facets(kind: number, ids: readonly number[]): Map<number, FacetTexts> {
    const found = new Map<number, Map<string, string>>()
    if (ids.length === 0) return found
    const rows = this.#sql.all<[number, string, string]>(
      `SELECT x.owner, x.name, t.text FROM json_each(?) f CROSS JOIN ol_facets x ON x.kind = ? AND x.owner = f.value
         CROSS JOIN ol_texts t ON t.id = x.text
       WHERE t.text <> '' AND x.name IN (SELECT value FROM json_each(?))`,
      JSON.stringify(ids),
      kind,
      shownFacets,
    )
    for (const [owner, name, text] of rows) {
      const facets = found.get(owner) ?? new Map<string, string>()
      found.set(owner, facets.set(name, text))
    }
    return found
  }

  #latestRuns(jobs: readonly number[]): Map<number, RunRow> {
    if (jobs.length === 0) return new Map()
    const rows = this.#sql.all<[number, string, string, string, string, string, string | null, string, string | null]>(
      `SELECT j.id, r.id, j.namespace, j.name, r.created, r.updated, r.started, r.state, r.parent
       FROM json_each(?) f CROSS JOIN ol_jobs j ON j.id = f.value
         CROSS JOIN ol_runs r ON r.id = (SELECT id FROM ol_runs WHERE job = j.id ORDER BY created DESC, id DESC LIMIT 1)`,
      JSON.stringify(jobs),
    )
    return new Map(
      rows.map(([key, id, namespace, job, created, updated, started, state, parent]) => [
        key,
        { id, namespace, job, created, updated, started, state, parent },
      ]),
    )
  }
}

function isWithin(some: ReadonlySet<number>, all: ReadonlySet<number>): boolean {
  for (const one of some) if (!all.has(one)) return false
  return true
}

function edge(other: string, self: string, into: boolean): string {
  return into ? `{"origin":${other},"destination":${self}}` : `{"origin":${self},"destination":${other}}`
}
