/** The explicit `lineage` facet: a producer that knows which input went into which output says so, for datasets and fields. */
import {
  type DatasetReference,
  type EventDataset,
  facetOf,
  isDeletion,
  isText,
  type OpenLineageEvent,
} from './open-lineage-event.js'

/** One target of explicit lineage, with what flowed into it. */
export interface ExplicitTarget {
  readonly target: DatasetReference
  readonly sources: readonly ExplicitSource[]
}

/** A source without `toField` concerns the whole target; without `field` the whole source. */
export interface ExplicitSource extends DatasetReference {
  readonly field?: string
  readonly toField?: string
  readonly transformations?: unknown
}

/** What an output's own `lineage` facet says; undefined without one. */
export function explicitOf(dataset: EventDataset): ExplicitTarget | undefined {
  const facet = facetOf(dataset.facets, 'lineage')
  if (facet === undefined || isDeletion(facet)) return undefined
  if (facet.inputs === undefined && facet.fields === undefined) return undefined
  return { target: dataset, sources: sourcesOf(facet) }
}

/** What the job's `lineage` facet says of datasets, and which datasets the job itself is said to have read. */
export function explicitOfJob(event: OpenLineageEvent): {
  readonly targets: ExplicitTarget[]
  readonly read: DatasetReference[]
} {
  const targets: ExplicitTarget[] = []
  const read: DatasetReference[] = []
  const facet = facetOf(event.job?.facets, 'lineage')
  if (facet !== undefined && !isDeletion(facet)) {
    for (const entry of records(facet.entries)) {
      if (entry.type === 'DATASET' && isReference(entry)) targets.push({ target: entry, sources: sourcesOf(entry) })
      else if (entry.type === 'JOB' && entry.namespace === undefined) read.push(...sourcesOf(entry))
    }
  }
  return { targets, read }
}

function sourcesOf({ inputs, fields }: Readonly<Record<string, unknown>>): ExplicitSource[] {
  const sources = inputsOf(inputs)
  if (typeof fields === 'object' && fields !== null) {
    for (const [toField, entry] of Object.entries(fields)) {
      if (!isText(toField)) continue
      const given = (entry as { readonly inputs?: unknown } | null)?.inputs
      sources.push(...inputsOf(given).map((source) => ({ ...source, toField })))
    }
  }
  return sources
}

function inputsOf(value: unknown): ExplicitSource[] {
  return records(value).flatMap((input) => {
    if (input.type === 'JOB' || !isReference(input)) return []
    const { namespace, name, field, transformations } = input
    return [{ namespace, name, ...(isText(field) ? { field } : {}), transformations }]
  })
}

function records(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return []
  return value.filter((entry) => typeof entry === 'object' && entry !== null)
}

function isReference(value: Record<string, unknown>): value is Record<string, unknown> & DatasetReference {
  return isText(value.namespace) && isText(value.name)
}
