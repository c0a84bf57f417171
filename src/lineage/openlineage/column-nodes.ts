/**
 * `GET /api/v1/column-lineage`: columns that a column comes from and, when asked, goes into, as Marquez gives them. The column
 * that stands for a whole dataset (what filters or groups all of its rows) has an empty name; it flows into every column.
 */
import { ForebayError } from '../../model/errors.js'
import type { Statements } from '../database.js'
import { datasetFacets, everyField } from './catalogue-schema.js'
import type { FlowGraph } from './flow-graph.js'
import type { LineageNodes } from './lineage-nodes.js'
import { cuts, parseNodeId } from './node-id.js'

const edgesMax = 20_000

type ColumnRow = [
  dataset: number,
  field: string,
  fromDataset: number,
  fromField: string,
  kind: string,
  subtype: string,
  description: string,
  masking: number,
]
interface Column {
  readonly dataset: number
  readonly field: string
}

const columns = 'dataset, field, from_dataset, from_field, kind, subtype, description, masking'

export class ColumnNodes {
  readonly #sql: Statements
  readonly #graph: FlowGraph
  readonly #nodes: LineageNodes

  constructor(sql: Statements, graph: FlowGraph, nodes: LineageNodes) {
    this.#sql = sql
    this.#graph = graph
    this.#nodes = nodes
  }

  /** `{"graph":[…]}` of DATASET_FIELD nodes, at most `depth` hops away. */
  lineage(nodeId: string, depth: number, downstream: boolean): string {
    this.#graph.refresh()
    const start = this.#start(nodeId)
    const edges = new Map<string, ColumnRow>()
    this.#walk(start, depth, true, edges)
    if (downstream) this.#walk(start, depth, false, edges)
    return JSON.stringify({
      graph: this.#present(start, [...edges.values()]),
      ...(edges.size >= edgesMax ? { truncated: true } : {}),
    })
  }

  #start(nodeId: string): Column[] {
    const { type, rest } = parseNodeId(nodeId)
    if (type === 'datasetField') {
      for (const [name, field] of cuts(rest)) {
        const dataset = this.#nodes.dataset(name)
        if (dataset !== undefined) return [{ dataset, field }]
      }
    } else if (type === 'dataset') {
      const dataset = this.#nodes.dataset(rest)
      if (dataset !== undefined) return this.#columnsOf([dataset])
    } else if (type === 'job') {
      const job = this.#nodes.job(rest)
      if (job !== undefined) return this.#columnsOf([...this.#graph.outputs(job)])
    }
    throw new ForebayError('NOT_FOUND', `no column lineage is known of "${nodeId.slice(0, 200)}"`)
  }

  /** The columns of some datasets that lineage or their schemas tell of, under whichever of their names. */
  #columnsOf(datasets: readonly number[]): Column[] {
    return datasets.flatMap((dataset) => {
      const all = this.#members(dataset)
      const rows = this.#sql.all<[string]>(
        `SELECT field FROM ol_columns WHERE dataset IN (SELECT value FROM json_each(?))
         UNION SELECT from_field FROM ol_columns WHERE from_dataset IN (SELECT value FROM json_each(?))`,
        all,
        all,
      )
      const fields = new Set([...rows.map(([field]) => field), ...this.#types(dataset).keys()])
      fields.delete(everyField)
      return [...fields].map((field) => ({ dataset, field }))
    })
  }

  #walk(start: readonly Column[], depth: number, up: boolean, edges: Map<string, ColumnRow>): void {
    const seen = new Set(start.map(key))
    let frontier: readonly Column[] = start
    for (let hop = 0; hop < depth && frontier.length > 0 && edges.size < edgesMax; hop++) {
      const next: Column[] = []
      for (const column of frontier) {
        for (const row of up ? this.#sources(column) : this.#targets(column)) {
          if (edges.size >= edgesMax) return
          edges.set(row.join('\n'), row)
          const reached = up ? { dataset: row[2], field: row[3] } : { dataset: row[0], field: row[1] }
          if (seen.has(key(reached))) continue
          seen.add(key(reached))
          next.push(reached)
        }
      }
      frontier = next
    }
  }

  /** What flows into a column: its own inputs, and those of its whole dataset. */
  #sources({ dataset, field }: Column): ColumnRow[] {
    const rows = this.#sql.all<ColumnRow>(
      `SELECT DISTINCT ${columns} FROM ol_columns WHERE dataset IN (SELECT value FROM json_each(?)) AND field IN (?, '') LIMIT ?`,
      this.#members(dataset),
      field,
      edgesMax,
    )
    return rows.map(([, , from, ...rest]) => [dataset, field, this.#graph.head(from), ...rest])
  }

  #targets({ dataset, field }: Column): ColumnRow[] {
    const rows = this.#sql.all<ColumnRow>(
      `SELECT DISTINCT ${columns} FROM ol_columns WHERE from_dataset IN (SELECT value FROM json_each(?)) AND from_field = ? LIMIT ?`,
      this.#members(dataset),
      field,
      edgesMax,
    )
    return rows.flatMap(([to, toField, , , ...rest]) => {
      const target = this.#graph.head(to)
      // What concerns a whole dataset is shown at each of its columns.
      const fields = toField === everyField ? this.#columnsOf([target]).map((column) => column.field) : [toField]
      return fields.map((name): ColumnRow => [target, name, dataset, field, ...rest])
    })
  }

  /** The ids of all datasets that are one with this one, as JSON. */
  #members(dataset: number): string {
    return JSON.stringify(this.#graph.members(dataset))
  }

  #present(start: readonly Column[], edges: readonly ColumnRow[]): object[] {
    const found = new Map(start.map((column) => [key(column), column]))
    for (const [dataset, field, fromDataset, fromField] of edges) {
      found.set(`${dataset} ${field}`, { dataset, field })
      found.set(`${fromDataset} ${fromField}`, { dataset: fromDataset, field: fromField })
    }
    const names = this.#names([...new Set([...found.values()].map(({ dataset }) => dataset))])
    const types = new Map([...names.keys()].map((dataset) => [dataset, this.#types(dataset)]))
    const id = ({ dataset, field }: Column): string => {
      const [namespace = '', name = ''] = names.get(dataset) ?? []
      return `datasetField:${namespace}:${name}:${field}`
    }
    const into = grouped(edges, ([dataset, field]) => `${dataset} ${field}`)
    const outOf = grouped(edges, ([, , dataset, field]) => `${dataset} ${field}`)
    return [...found.values()].map((column) => {
      const [namespace = '', name = ''] = names.get(column.dataset) ?? []
      const inputs = into.get(key(column)) ?? []
      const self = id(column)
      const from = unique(inputs.map(([, , dataset, field]) => id({ dataset, field })))
      const to = unique((outOf.get(key(column)) ?? []).map(([dataset, field]) => id({ dataset, field })))
      return {
        id: self,
        type: 'DATASET_FIELD',
        data: {
          namespace,
          dataset: name,
          datasetVersion: null,
          field: column.field,
          fieldType: types.get(column.dataset)?.get(column.field) ?? null,
          transformationDescription: inputs.find((row) => row[6] !== '')?.[6] ?? null,
          transformationType: inputs.find((row) => row[5] !== '')?.[5] ?? null,
          inputFields: inputFields(inputs, names),
        },
        inEdges: from.map((origin) => ({ origin, destination: self })),
        outEdges: to.map((destination) => ({ origin: self, destination })),
      }
    })
  }

  #names(datasets: readonly number[]): Map<number, readonly [string, string]> {
    const rows = this.#sql.all<[number, string, string]>(
      'SELECT d.id, d.namespace, d.name FROM json_each(?) f CROSS JOIN ol_datasets d ON d.id = f.value',
      JSON.stringify(datasets),
    )
    return new Map(rows.map(([id, namespace, name]) => [id, [namespace, name] as const]))
  }

  /** The types of a dataset's columns, from its schemas: that of the dataset which stands for all of one name comes first. */
  #types(dataset: number): Map<string, string | null> {
    const texts = this.#sql.all<[string]>(
      `SELECT t.text FROM json_each(?) m CROSS JOIN ol_facets f ON f.kind = ? AND f.owner = m.value AND f.name = 'schema'
         CROSS JOIN ol_texts t ON t.id = f.text WHERE t.text <> '' ORDER BY f.owner = ?, f.owner`,
      this.#members(dataset),
      datasetFacets,
      dataset,
    )
    return new Map(texts.flatMap(([text]) => typesIn(text)))
  }
}

function typesIn(schema: string): [string, string | null][] {
  const { fields } = (JSON.parse(schema) ?? {}) as { readonly fields?: unknown }
  if (!Array.isArray(fields)) return []
  return fields.flatMap((field: { name?: unknown; type?: unknown } | null): [string, string | null][] =>
    typeof field?.name === 'string' ? [[field.name, typeof field.type === 'string' ? field.type : null]] : [],
  )
}

function inputFields(rows: readonly ColumnRow[], names: ReadonlyMap<number, readonly [string, string]>): object[] {
  return [...grouped(rows, ([, , dataset, field]) => `${dataset} ${field}`).values()].map((group) => {
    const [, , dataset = 0, field = ''] = group[0] ?? []
    const [namespace = '', name = ''] = names.get(dataset) ?? []
    const transformations = group.map(([, , , , type, subtype, description, masking]) => ({
      type,
      ...(subtype === '' ? {} : { subtype }),
      ...(description === '' ? {} : { description }),
      masking: masking === 1,
    }))
    return { namespace, dataset: name, name, field, transformations }
  })
}

function key({ dataset, field }: Column): string {
  return `${dataset} ${field}`
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}

function grouped(rows: readonly ColumnRow[], by: (row: ColumnRow) => string): Map<string, ColumnRow[]> {
  const groups = new Map<string, ColumnRow[]>()
  for (const row of rows) {
    const list = groups.get(by(row))
    if (list === undefined) groups.set(by(row), [row])
    else list.push(row)
  }
  return groups
}
