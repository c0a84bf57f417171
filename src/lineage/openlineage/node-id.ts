import { ForebayError } from '../../model/errors.js'

/** A node of the lineage graph as Marquez names it; where namespace and name meet is for the catalogue to find. */
export interface NodeName {
  readonly type: 'job' | 'dataset' | 'datasetField' | 'run'
  readonly rest: string
}

/** Reads `job:NS:NAME`, `dataset:NS:NAME`, `datasetField:NS:NAME:FIELD`, `run:ID`; a version behind `#` is left away. */
export function parseNodeId(nodeId: string): NodeName {
  const match = /^(job|dataset|datasetField|run):(.+)$/s.exec(nodeId)
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new ForebayError('REQUEST_INVALID', `nodeId "${nodeId.slice(0, 200)}" is none of job:NS:NAME and dataset:NS:NAME`)
  }
  return { type: match[1] as NodeName['type'], rest: match[2].replace(/#[0-9a-f]{8}-[0-9a-f-]{27}$/i, '') }
}

/** The ways to cut a text at a colon in two; names and namespaces may have colons themselves. Longest first part first. */
export function cuts(text: string): [string, string][] {
  const found: [string, string][] = []
  for (let at = text.lastIndexOf(':'); at > 0; at = text.lastIndexOf(':', at - 1))
    found.push([text.slice(0, at), text.slice(at + 1)])
  return found
}
