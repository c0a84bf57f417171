import { takeIn } from '../../../src/lineage/openlineage/intake.js'
import type { LineageEvent } from '../../../src/model/lineage-event.js'

const producer = 'https://example.com/test'

/** What every facet must have. */
export function facet(content: object): object {
  return { _producer: producer, _schemaURL: 'https://example.com/facet.json', ...content }
}

export interface RunSketch {
  readonly type?: string
  readonly time?: string
  readonly run?: string
  readonly job?: string
  readonly inputs?: readonly object[]
  readonly outputs?: readonly object[]
  readonly runFacets?: object
  readonly jobFacets?: object
}

export const uuid = (number: number): string => `01900000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`

/** A dataset of the namespace `db`. */
export const dataset = (name: string, more: object = {}): object => ({ namespace: 'db', name, ...more })

/** A RunEvent of job `ns:load` unless said otherwise. */
export function runEvent(sketch: RunSketch = {}): Record<string, unknown> {
  const { type = 'COMPLETE', time = '2026-01-31T10:00:00Z', run = uuid(1), job = 'load', runFacets, jobFacets } = sketch
  return {
    eventType: type,
    eventTime: time,
    producer,
    schemaURL: 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
    run: { runId: run, ...(runFacets === undefined ? {} : { facets: runFacets }) },
    job: { namespace: 'ns', name: job, ...(jobFacets === undefined ? {} : { facets: jobFacets }) },
    inputs: sketch.inputs ?? [],
    outputs: sketch.outputs ?? [],
  }
}

/** Events as the log has them. */
export function logged(...events: readonly (object | string)[]): LineageEvent[] {
  const texts = events.map((event) => (typeof event === 'string' ? event : JSON.stringify(event)))
  const { events: taken, refused } = takeIn(Buffer.from(`[${texts.join(',')}]`))
  if (refused.length > 0) throw new Error(JSON.stringify(refused))
  return [...taken]
}
