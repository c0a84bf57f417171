/**
 * Rows of the catalogue as the JSON that Marquez's clients read. Answers are texts put together from texts, so that a facet
 * leaves as it came.
 */
import { stableHash } from '../../model/segment.js'
import { readState } from './run-state.js'

export interface NamedRow {
  readonly id: number
  readonly namespace: string
  readonly name: string
  readonly created: string
  readonly updated: string
}
export interface DatasetRow extends NamedRow {
  readonly modified: string | null
}
export interface JobRow extends NamedRow {
  readonly parent: string | null
}
export interface RunRow {
  readonly id: string
  readonly namespace: string
  readonly job: string
  readonly created: string
  readonly updated: string
  readonly started: string | null
  readonly state: string
  readonly parent: string | null
}

/** Texts of facets by name. */
export type FacetTexts = ReadonlyMap<string, string>

/** A dataset; `facets` only where they are asked for, since a lineage graph does without. */
export function datasetJson(row: DatasetRow, facets: FacetTexts, withFacets: boolean): string {
  const { namespace, name } = row
  const schema = read(facets, 'schema')
  const source = read(facets, 'dataSource')
  const lifecycle = read(facets, 'lifecycleStateChange')?.lifecycleStateChange ?? ''
  const kind = read(facets, 'datasetType')?.datasetType
  const head = {
    id: { namespace, name },
    type: typeof kind === 'string' && /stream|topic/i.test(kind) ? 'STREAM' : 'DB_TABLE',
    name,
    physicalName: name,
    createdAt: shortTime(row.created),
    updatedAt: shortTime(row.updated),
    namespace,
    sourceName: typeof source?.name === 'string' ? source.name : namespace,
    fields: fieldsOf(schema?.fields, read(facets, 'tags')?.tags),
    tags: tagsOf(read(facets, 'tags')?.tags, undefined),
    lastModifiedAt: row.modified === null ? null : shortTime(row.modified),
    lastLifecycleState: lifecycle,
    description: read(facets, 'documentation')?.description ?? null,
    currentVersion: versionId([namespace, name, read(facets, 'version')?.datasetVersion ?? '']),
    deleted: lifecycle === 'DROP',
  }
  return withFacets ? withMember(head, 'facets', facetsJson(facets)) : JSON.stringify(head)
}

/** A job with what it reads and writes. */
export function jobJson(
  row: JobRow,
  flows: { readonly inputs: readonly object[]; readonly outputs: readonly object[] },
  facets: FacetTexts,
  latestRuns: readonly string[],
  withFacets: boolean,
): string {
  const { namespace, name } = row
  const type = read(facets, 'jobType')
  const location = read(facets, 'sourceCodeLocation')?.url
  const parent = row.parent === null ? undefined : row.parent
  const head = {
    id: { namespace, name },
    type: type?.processingType === 'STREAMING' ? 'STREAM' : 'BATCH',
    name,
    simpleName: simpleName(name, parent),
    parentJobName: parent ?? null,
    createdAt: shortTime(row.created),
    updatedAt: shortTime(row.updated),
    namespace,
    inputs: flows.inputs,
    outputs: flows.outputs,
    location: typeof location === 'string' ? location : null,
    description: read(facets, 'documentation')?.description ?? null,
    tags: tagsOf(read(facets, 'tags')?.tags, undefined),
    labels: [],
    currentVersion: versionId([namespace, name]),
  }
  const withRun = withMember(head, 'latestRun', latestRuns[0] ?? 'null')
  if (!withFacets) return withRun
  return `${withRun.slice(0, -1)},"latestRuns":[${latestRuns.join(',')}],"facets":${facetsJson(facets)}}`
}

/** A run; `facets` and what it read and wrote where somebody looked them up. */
export function runJson(
  row: RunRow,
  more: {
    readonly facets?: FacetTexts
    readonly nominal?: readonly [string | null, string | null]
    readonly datasets?: string
  } = {},
): string {
  const state = readState(row.state)
  const started = row.started ?? (state.ended === undefined ? null : row.created)
  const head = {
    id: row.id,
    createdAt: shortTime(row.created),
    updatedAt: shortTime(row.updated),
    nominalStartTime: more.nominal?.[0] ?? null,
    nominalEndTime: more.nominal?.[1] ?? null,
    state: state.name,
    startedAt: started === null ? null : shortTime(started),
    endedAt: state.ended === undefined ? null : shortTime(state.ended),
    durationMs: started === null || state.ended === undefined ? null : Math.max(0, Date.parse(state.ended) - Date.parse(started)),
    args: {},
    jobVersion: { namespace: row.namespace, name: row.job, version: versionId([row.namespace, row.job]) },
    parentRunId: row.parent,
  }
  const text = JSON.stringify(head).slice(0, -1)
  return `${text}${more.datasets ?? ''},"facets":${more.facets === undefined ? '{}' : facetsJson(more.facets)}}`
}

/** `{"name":text,…}` with each facet as it was sent. */
export function facetsJson(facets: FacetTexts): string {
  return `{${[...facets].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`
}

/** Nine digits behind the point where they say something, else six, else three, as Marquez's clients write times. */
export function shortTime(text: string): string {
  return text.replace(/000(?:000)?Z$/, 'Z')
}

/** A stable id in the form of a UUID, for versions that nobody gave one. */
export function versionId(parts: readonly unknown[]): string {
  const hash = stableHash(parts.map(String), 32)
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-5${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}

function read(facets: FacetTexts, name: string): Readonly<Record<string, unknown>> | undefined {
  const text = facets.get(name)
  if (text === undefined || !text.startsWith('{')) return undefined
  return JSON.parse(text) as Record<string, unknown>
}

function fieldsOf(fields: unknown, tags: unknown): object[] {
  if (!Array.isArray(fields)) return []
  return fields.flatMap((field: Record<string, unknown> | null) => {
    if (typeof field?.name !== 'string') return []
    const { name, type, description } = field
    return [{ name, type: type ?? null, tags: tagsOf(tags, name), description: description ?? null }]
  })
}

/** The tags of a field, or those of the whole. */
function tagsOf(tags: unknown, field: string | undefined): string[] {
  if (!Array.isArray(tags)) return []
  return tags.flatMap((tag: Record<string, unknown> | null) =>
    typeof tag?.key === 'string' && tag.field === field ? [tag.key] : [],
  )
}

/** A task's name without its parent's in front, as orchestrators make them. */
function simpleName(name: string, parent: string | undefined): string {
  const parentName = parent?.slice(parent.lastIndexOf(':') + 1)
  return parentName !== undefined && name.startsWith(`${parentName}.`) ? name.slice(parentName.length + 1) : name
}

function withMember(head: object, name: string, text: string): string {
  return `${JSON.stringify(head).slice(0, -1)},"${name}":${text}}`
}
