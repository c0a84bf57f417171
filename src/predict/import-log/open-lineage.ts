import { BoundedMap } from '../bounded-map.js'
import { amount, asFields, asList, type Fields, text, time } from './fields.js'
import type { Imported, Importer } from './importer.js'
import { sqlShape } from './sql-shape.js'

/** Runs that began and did not end, and runs that are over, are forgotten beyond so many; no more ends wait for a beginning that comes later. */
const openMax = 100_000

/** An event that waits for the other end of its run. */
interface Waiting {
  readonly at: number
  readonly event: Fields
  readonly line: number
}

/**
 * OpenLineage run events, one a line, in any order. A run is a query: it begins with START (or its first RUNNING), ends with COMPLETE,
 * FAIL or ABORT; the job is its template, and the bytes are those of the inputs' statistics facets.
 */
export function openLineage(): Importer {
  const begun = new BoundedMap<Waiting>(openMax)
  const over = new Map<string, Waiting>()
  /** Runs of which the query is told: what is sent once more, or late, is no run of its own. */
  const told = new BoundedMap<true>(openMax)
  return {
    layout: 'json-lines',
    query(event, line) {
      const run = text(asFields(event.run).runId)
      const at = time(event.eventTime)
      const type = text(event.eventType)
      if (run === undefined) return event.schemaURL === undefined ? { reason: 'is not an OpenLineage run event' } : 'ignored'
      if (at === undefined) return { reason: '`eventTime` is not a time' }
      if (told.peek(run) !== undefined) return 'ignored'
      const ends = type === 'COMPLETE' || type === 'FAIL' || type === 'ABORT'
      const begins = type === 'START' || type === 'RUNNING'
      const start = begins ? { at, event } : begun.peek(run)
      const end = ends ? { at, event } : over.get(run)
      if (start !== undefined && end !== undefined) {
        begun.delete(run)
        over.delete(run)
        told.set(run, true)
        return ended(start.event, end.event, start.at, end.at)
      }
      if (ends && over.size >= openMax) return { reason: neverBegan(run) }
      if (ends) over.set(run, { at, event, line })
      else if (begins && at < (begun.peek(run)?.at ?? Number.POSITIVE_INFINITY)) begun.set(run, { at, event, line })
      return 'ignored'
    },
    unmatched() {
      return [...over].map(([run, { line }]) => ({ line, reason: neverBegan(run) }))
    },
  }
}

function neverBegan(run: string): string {
  return `run ${run} ends and never began`
}

function ended(start: Fields, end: Fields, at: number, endedAt: number): Imported {
  const job = { ...asFields(start.job), ...asFields(end.job) }
  const sql = text(asFields(asFields(asFields(job).facets).sql).query)
  const inputs = [start, end].flatMap((event) => asList(event.inputs).map(asFields))
  const outputs = [start, end].flatMap((event) => asList(event.outputs))
  const reads = new Map<string, number>()
  for (const input of inputs) {
    const segment = `${input.namespace}.${input.name}`
    reads.set(segment, bytesOf(input) ?? reads.get(segment) ?? 0)
  }
  return {
    at,
    tenant: text(asFields(job).namespace) ?? 'unknown',
    template: text(asFields(job).name) ?? 'unknown',
    args: JSON.stringify(sql === undefined ? [] : sqlShape(sql).args),
    ...(sql === undefined ? {} : { sql }),
    kind: outputs.length > 0 ? 'write' : 'read',
    reads: [...reads].map(([segment, bytes]) => ({ segment, bytes })),
    queuedMs: 0,
    durationMs: Math.max(0, endedAt - at),
  }
}

function bytesOf(input: Fields): number | undefined {
  const facets = asFields(input.inputFacets)
  return amount(asFields(facets.inputStatistics).size) ?? amount(asFields(facets.dataQualityMetrics).bytes)
}
