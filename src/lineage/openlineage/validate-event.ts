/**
 * Whether an event may be taken. Faults of the core (specification 2-0-2: what an event, a run, a job and a dataset must have)
 * reject it; faults of facets, and texts that are not in the format that the specification asks for, are warned of and kept.
 * Written by hand, since a schema validator costs more than all the rest of taking an event.
 */
import { type EventTime, parseEventTime } from './event-time.js'
import { type FacetPlace, facetFault } from './facet-shapes.js'
import { type EventKind, kindOf, type OpenLineageEvent, runStates } from './open-lineage-event.js'

/** What is known of an event once it was looked through. */
export type Verdict =
  | {
      readonly valid: true
      readonly kind: EventKind
      readonly event: OpenLineageEvent
      readonly time: EventTime
      readonly warnings: readonly string[]
    }
  | { readonly valid: false; readonly reason: string }

/** Most warnings that are told of one event. */
const warningsMax = 20
/** Longest namespace or name; what is longer is nobody's name. */
const nameMax = 4_096
const datasetsMax = 10_000

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const uri = /^[a-z][a-z0-9+.-]*:\S+$/i

type Values = Readonly<Record<string, unknown>>

/** Looks through one parsed event. */
export function validateEvent(value: unknown): Verdict {
  try {
    return new Examination().verdict(value)
  } catch (error) {
    if (error instanceof CoreFault) return { valid: false, reason: error.message }
    throw error
  }
}

class CoreFault extends Error {}

class Examination {
  readonly #warnings: string[] = []

  verdict(value: unknown): Verdict {
    const event = object(value, 'the event')
    const time = this.#base(event)
    const kind = kindOf(event)
    if (kind === undefined) throw new CoreFault(kindFault(event))
    if (kind === 'run') this.#run(object(event.run, 'run'))
    if (kind !== 'dataset') {
      this.#job(object(event.job, 'job'))
      this.#datasets(event.inputs, 'inputs', 'input')
      this.#datasets(event.outputs, 'outputs', 'output')
      if (event.eventType !== undefined && !(runStates as readonly unknown[]).includes(event.eventType)) {
        throw new CoreFault(`eventType: is none of ${runStates.join(', ')}`)
      }
    } else this.#dataset(event.dataset, 'dataset')
    return { valid: true, kind, event: event as unknown as OpenLineageEvent, time, warnings: this.#warnings }
  }

  #base(event: Values): EventTime {
    const given = text(event.eventTime, 'eventTime')
    const time = parseEventTime(given)
    if (time === undefined) throw new CoreFault(`eventTime: "${given.slice(0, 80)}" is not a date and time`)
    if (!time.zoned) this.#warn('eventTime: has no time zone; UTC was taken')
    this.#format(text(event.producer, 'producer'), uri, 'producer: is not a URI')
    this.#format(text(event.schemaURL, 'schemaURL'), uri, 'schemaURL: is not a URI')
    return time
  }

  #run(run: Values): void {
    const runId = name(run.runId, 'run.runId')
    this.#format(runId, uuid, 'run.runId: is not a UUID')
    this.#facets(run.facets, 'run.facets', 'run')
  }

  #job(job: Values): void {
    name(job.namespace, 'job.namespace')
    name(job.name, 'job.name')
    this.#facets(job.facets, 'job.facets', 'job')
  }

  #datasets(value: unknown, path: string, place: 'input' | 'output'): void {
    if (value === undefined) return
    if (!Array.isArray(value)) throw new CoreFault(`${path}: is not an array`)
    if (value.length > datasetsMax) throw new CoreFault(`${path}: has more than ${datasetsMax} datasets`)
    for (let index = 0; index < value.length; index++) this.#dataset(value[index], `${path}[${index}]`, place)
  }

  #dataset(value: unknown, path: string, place?: 'input' | 'output'): void {
    const dataset = object(value, path)
    name(dataset.namespace, `${path}.namespace`)
    name(dataset.name, `${path}.name`)
    this.#facets(dataset.facets, `${path}.facets`, 'dataset')
    if (place !== undefined) this.#facets(dataset[`${place}Facets`], `${path}.${place}Facets`, place)
  }

  #facets(value: unknown, path: string, place: FacetPlace): void {
    if (value === undefined) return
    const facets = object(value, path)
    for (const key in facets) {
      const fault = facetFault(place, key, facets[key])
      if (fault !== undefined) this.#warn(`${path}.${key}${fault}`)
    }
  }

  #format(value: string, format: RegExp, warning: string): void {
    if (!format.test(value)) this.#warn(warning)
  }

  #warn(warning: string): void {
    if (this.#warnings.length < warningsMax) this.#warnings.push(warning)
  }
}

function kindFault({ run, job, dataset }: Values): string {
  if (run !== undefined) return 'job: is missing'
  if (job !== undefined && dataset !== undefined) return 'has both a job and a dataset, and no run'
  return 'has neither a run and a job, nor a job, nor a dataset'
}

function object(value: unknown, path: string): Values {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Values
  throw new CoreFault(`${path}: ${value === undefined ? 'is missing' : 'is not an object'}`)
}

function text(value: unknown, path: string): string {
  if (typeof value === 'string') return value
  throw new CoreFault(`${path}: ${value === undefined ? 'is missing' : 'is not a string'}`)
}

function name(value: unknown, path: string): string {
  const given = text(value, path)
  // What keeps names takes this character for their end.
  if (given.includes('\0')) throw new CoreFault(`${path}: has a NUL character`)
  if (given.length > nameMax) throw new CoreFault(`${path}: is longer than ${nameMax} characters`)
  return given
}
