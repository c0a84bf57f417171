/** Column lineage of one output, from its `columnLineage` facet and from explicit lineage, in one form. */
import { everyField } from './catalogue-schema.js'
import { type ExplicitTarget, explicitOf } from './explicit-lineage.js'
import { type DatasetReference, type EventDataset, facetOf, isDeletion, isText } from './open-lineage-event.js'

export interface ColumnEdge {
  readonly field: string
  readonly from: DatasetReference
  readonly fromField: string
  readonly kind: string
  readonly subtype: string
  readonly description: string
  readonly masking: boolean
}

const edgesMax = 50_000

/** Edges into the columns of an output; undefined where nothing is said of them, which is not the same as that there are none. */
export function columnEdges(dataset: EventDataset, ofJob: readonly ExplicitTarget[] = []): ColumnEdge[] | undefined {
  const facet = facetOf(dataset.facets, 'columnLineage')
  const explicit = [explicitOf(dataset), ...ofJob].filter((target) => target !== undefined)
  const named = explicit.flatMap(({ sources }) => sources).filter(({ field }) => field !== undefined)
  if (facet === undefined && named.length === 0) return undefined
  const edges = new Edges()
  if (facet !== undefined && !isDeletion(facet)) addFacet(edges, facet)
  for (const { namespace, name, field = everyField, toField = everyField, transformations } of named) {
    edges.add(toField, { namespace, name, field, transformations }, undefined)
  }
  return edges.found
}

function addFacet(edges: Edges, { fields, dataset }: Readonly<Record<string, unknown>>): void {
  if (typeof fields === 'object' && fields !== null) {
    for (const [field, entry] of Object.entries(fields as Record<string, Record<string, unknown> | null>)) {
      if (!Array.isArray(entry?.inputFields)) continue
      // Producers before 1.2 said it once for the column; what an input says for itself counts.
      const old = { type: entry.transformationType, description: entry.transformationDescription }
      for (const input of entry.inputFields) edges.add(field, input, old)
    }
  }
  if (Array.isArray(dataset)) for (const input of dataset) edges.add(everyField, input, undefined)
}

class Edges {
  readonly found: ColumnEdge[] = []

  add(field: string, input: unknown, old: { readonly type: unknown; readonly description: unknown } | undefined): void {
    if (typeof input !== 'object' || input === null || this.found.length >= edgesMax) return
    const { namespace, name, field: fromField, transformations } = input as Record<string, unknown>
    if (!isText(field) || !isText(namespace) || !isText(name) || !isText(fromField)) return
    const edge = { field, from: { namespace, name }, fromField }
    const given = Array.isArray(transformations)
      ? transformations.filter((each) => typeof each === 'object' && each !== null)
      : []
    for (const { type, subtype, description, masking } of given) {
      this.found.push({
        ...edge,
        kind: text(type),
        subtype: text(subtype),
        description: text(description),
        masking: masking === true,
      })
    }
    if (given.length > 0) return
    // Without a word on it a column's input is a direct one, and a dataset's an indirect one.
    const subtype = text(old?.type)
    const kind = field === everyField ? 'INDIRECT' : 'DIRECT'
    this.found.push({ ...edge, kind, subtype, description: text(old?.description), masking: subtype === 'MASKED' })
  }
}

function text(value: unknown): string {
  return isText(value) ? value : ''
}
