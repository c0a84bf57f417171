/** What the events of one run say together, read from the log: facets of the run, and what it read and wrote. */
import type { Statements } from '../database.js'
import { loggedEvent } from '../log/log-body.js'
import { parseEventTime } from './event-time.js'
import { datasetVersion } from './external-vertex.js'
import { versionId } from './marquez-shapes.js'
import { type EventDataset, facetOf, isDeletionText, type OpenLineageEvent } from './open-lineage-event.js'
import { arrayElements, memberValue, objectMembers } from './raw-json.js'

/** Characters of a run's events that are looked at, the last ones first. */
const textMax = 64 << 20

export interface RunDetails {
  readonly run: ReadonlyMap<string, string>
  readonly job: ReadonlyMap<string, string>
  readonly nominal: readonly [string | null, string | null]
  /** `,"inputVersions":[…],"outputVersions":[…]` with the datasets' facets of this run. */
  readonly datasets: string
  readonly events: readonly string[]
}

/** Reads a run's events. Those that have left the log say nothing any more. */
export function runDetails(graph: Statements, log: Statements, run: string): RunDetails {
  const [offsets = ''] = graph.first<[string]>('SELECT offsets FROM ol_runs WHERE id = ?', run) ?? []
  const texts: string[] = []
  let length = 0
  for (const offset of offsets.split(' ').toReversed()) {
    const [body] = log.first<[string]>('SELECT body FROM log WHERE offset = ?', Number(offset)) ?? []
    const event = body === undefined ? undefined : loggedEvent(body)
    if (event?.kind !== 'openlineage') continue
    length += event.text.length
    if (length > textMax && texts.length > 0) break
    texts.push(event.text)
  }
  return details(texts)
}

function details(texts: readonly string[]): RunDetails {
  const run = new LatestFacets()
  const job = new LatestFacets()
  const uses = { inputs: new Map<string, Use>(), outputs: new Map<string, Use>() }
  for (const text of texts) {
    const event = JSON.parse(text) as OpenLineageEvent
    const at = parseEventTime(event.eventTime)?.text ?? ''
    run.add(text, memberValue(text, 0, 'run'), 'facets', at)
    job.add(text, memberValue(text, 0, 'job'), 'facets', at)
    addUses(uses.inputs, event.inputs, text, 'inputs', 'inputFacets', at)
    addUses(uses.outputs, event.outputs, text, 'outputs', 'outputFacets', at)
  }
  const nominal = facetOf(parsed(run.texts().get('nominalTime')), 'facet')
  return {
    run: run.texts(),
    job: job.texts(),
    nominal: [stringOf(nominal?.nominalStartTime), stringOf(nominal?.nominalEndTime)],
    datasets: `,"inputVersions":[${useTexts(uses.inputs)}],"outputVersions":[${useTexts(uses.outputs)}]`,
    events: texts,
  }
}

interface Use {
  readonly dataset: EventDataset
  readonly facets: LatestFacets
}

function addUses(
  uses: Map<string, Use>,
  datasets: readonly EventDataset[] | undefined,
  text: string,
  member: 'inputs' | 'outputs',
  facets: string,
  at: string,
): void {
  const places = arrayElements(text, memberValue(text, 0, member))?.elements ?? []
  for (const [index, dataset] of (datasets ?? []).entries()) {
    const key = JSON.stringify([dataset.namespace, dataset.name, datasetVersion(dataset)])
    const use = uses.get(key) ?? { dataset, facets: new LatestFacets() }
    uses.set(key, use)
    use.facets.add(text, places[index]?.[0] ?? -1, facets, at)
  }
}

function useTexts(uses: ReadonlyMap<string, Use>): string {
  const inOrder = [...uses].sort(([a], [b]) => (a < b ? -1 : 1))
  const texts = inOrder.map(([, { dataset, facets }]) => {
    const { namespace, name } = dataset
    const version = datasetVersion(dataset)
    const id = { namespace, name, version: versionId([namespace, name, version ?? '']) }
    const head = JSON.stringify({ datasetVersionId: id, ...id, datasetVersion: version }).slice(0, -1)
    return `${head},"facets":${facets.json()}}`
  })
  return texts.join(',')
}

/** Facets by name, each of the latest event that has it. */
class LatestFacets {
  readonly #found = new Map<string, { readonly at: string; readonly text: string }>()

  add(text: string, owner: number, member: string, at: string): void {
    const facets = owner === -1 ? -1 : memberValue(text, owner, member)
    if (facets === -1) return
    for (const { name, from, to } of objectMembers(text, facets)) {
      const facet = text.slice(from, to)
      const known = this.#found.get(name)
      if (known === undefined || at > known.at || (at === known.at && facet > known.text))
        this.#found.set(name, { at, text: facet })
    }
  }

  texts(): Map<string, string> {
    const there = [...this.#found].filter(([, { text }]) => !isDeletionText(text))
    return new Map(there.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { text }]) => [name, text]))
  }

  json(): string {
    return `{${[...this.texts()].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`
  }
}

function parsed(text: string | undefined): { readonly facet: unknown } | undefined {
  return text === undefined ? undefined : { facet: JSON.parse(text) }
}

function stringOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
