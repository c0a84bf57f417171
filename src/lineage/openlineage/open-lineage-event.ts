/**
 * OpenLineage's events as far as Forebay reads them (specification 2-0-2). Facets stay `unknown` until somebody looks into one:
 * a facet may look otherwise than its schema says.
 */
export type RunState = 'START' | 'RUNNING' | 'COMPLETE' | 'ABORT' | 'FAIL' | 'OTHER'
export const runStates: readonly RunState[] = ['START', 'RUNNING', 'COMPLETE', 'ABORT', 'FAIL', 'OTHER']

export type Facets = Readonly<Record<string, unknown>>

export interface DatasetReference {
  readonly namespace: string
  readonly name: string
}

export interface EventDataset extends DatasetReference {
  readonly facets?: Facets
  readonly inputFacets?: Facets
  readonly outputFacets?: Facets
}

export interface EventJob {
  readonly namespace: string
  readonly name: string
  readonly facets?: Facets
}

/** An event after validation. A RunEvent has a run and a job, a JobEvent a job alone, a DatasetEvent a dataset. */
export interface OpenLineageEvent {
  readonly eventTime: string
  readonly eventType?: RunState
  readonly run?: { readonly runId: string; readonly facets?: Facets }
  readonly job?: EventJob
  readonly dataset?: EventDataset
  readonly inputs?: readonly EventDataset[]
  readonly outputs?: readonly EventDataset[]
}

/** What an event is about; see `kindOf`. */
export type EventKind = 'run' | 'job' | 'dataset'

/** Which of the three kinds an event is: the same choice as the specification's `oneOf`; undefined where it fits none or two. */
export function kindOf(event: Readonly<Record<string, unknown>>): EventKind | undefined {
  const { run, job, dataset } = event
  if (run !== undefined && job !== undefined) return 'run'
  if (dataset !== undefined) return job === undefined ? 'dataset' : undefined
  if (job !== undefined) return 'job'
  return undefined
}

/** Member of a facet that says that the facet is gone. */
const deletion = '_deleted'

/** Whether a facet says that what was known under its name is gone. */
export const isDeletion = (facet: Facets): boolean => facet[deletion] === true

/** The same of a facet as it was sent. */
export function isDeletionText(facet: string): boolean {
  if (!facet.includes(`"${deletion}"`)) return false
  const value: unknown = JSON.parse(facet)
  return typeof value === 'object' && value !== null && isDeletion(value as Facets)
}

/** Whether a value is a text that can be kept. What keeps texts takes NUL for their end, so that two of them would become one. */
export const isText = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0')

/** The run and the job that started this run, as its `parent` facet says. */
export function parentOf(event: OpenLineageEvent): { readonly run: string; readonly job: DatasetReference } | undefined {
  const facet = facetOf(event.run?.facets, 'parent')
  const run = facetOf(facet, 'run')?.runId
  const { namespace, name } = facetOf(facet, 'job') ?? {}
  if (!isText(run) || !isText(namespace) || !isText(name)) return undefined
  return { run, job: { namespace, name } }
}

/** A facet as an object to look into; undefined where it is absent or no object. */
export function facetOf(facets: Facets | undefined, name: string): Readonly<Record<string, unknown>> | undefined {
  const facet = facets === undefined || !Object.hasOwn(facets, name) ? undefined : facets[name]
  return typeof facet === 'object' && facet !== null && !Array.isArray(facet) ? (facet as Record<string, unknown>) : undefined
}
