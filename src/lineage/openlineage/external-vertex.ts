import type { NodeId } from '../../model/node.js'
import { type SegmentId, stableHash } from '../../model/segment.js'
import { type DatasetReference, type EventDataset, facetOf, isText } from './open-lineage-event.js'

const rememberedMax = 50_000
const ids = new Map<string, string>()

/** The vertex of a dataset's version. A dataset whose version nobody names is one vertex, however often it is written. */
export function externalSegment(dataset: DatasetReference, version: string | null): SegmentId {
  return remembered(
    `${dataset.namespace}\n${dataset.name}\n${version ?? ''}`,
    () => `x-${stableHash([dataset.namespace, dataset.name, ...(version === null ? [] : [version])])}`,
  )
}

/** `NS:NAME`, the dataset of a vertex. */
export const externalDataset = ({ namespace, name }: DatasetReference): string => `${namespace}:${name}`

/** The node that stands for a job: `job:NS:NAME`. */
export const jobNode = ({ namespace, name }: DatasetReference): NodeId => `${jobPrefix}${namespace}:${name}`

export const jobPrefix = 'job:'

/** The version that a dataset is said to have. */
export function datasetVersion(dataset: EventDataset): string | null {
  const version = facetOf(dataset.facets, 'version')?.datasetVersion
  return isText(version) && version !== '' ? version : null
}

/** The shape of what a job does, for edges. */
export function jobShape(job: NodeId, use: string): string {
  return remembered(`${job}\n${use}\nshape`, () => stableHash(['openlineage', use, job], 16))
}

/** Hashes of names that come again and again; forgotten all at once when there are too many. */
function remembered(key: string, make: () => string): string {
  let id = ids.get(key)
  if (id === undefined) {
    if (ids.size >= rememberedMax) ids.clear()
    id = make()
    ids.set(key, id)
  }
  return id
}
