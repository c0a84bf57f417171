import { amount, asFields, asList, type Fields, text, time } from './fields.js'
import type { Imported, Importer } from './importer.js'
import { sqlShape } from './sql-shape.js'

/** Runs that began and did not end are forgotten beyond so many. */
const openMax = 100_000

/**
 * OpenLineage run events, one a line. A run is a query: it begins with START (or its first RUNNING), ends with COMPLETE, FAIL or ABORT;
 * the job is its template, and the bytes are those of the inputs' statistics facets.
 */
export function openLineage(): Importer {
  const begun = new Map<string, { readonly at: number; readonly event: Fields }>()
  return {
    layout: 'json-lines',
    query(event) {
      const run = text(asFields(event.run).runId)
      const at = time(event.eventTime)
      const type = text(event.eventType)
      if (run === undefined) return event.schemaURL === undefined ? { reason: 'is not an OpenLineage run event' } : 'ignored'
      if (at === undefined) return { reason: '`eventTime` is not a time' }
      const known = begun.get(run)
      if (type === 'COMPLETE' || type === 'FAIL' || type === 'ABORT') {
        begun.delete(run)
        return known === undefined ? { reason: `run ${run} ends and never began` } : ended(known.event, event, known.at, at)
      }
      if (known === undefined && (type === 'START' || type === 'RUNNING')) begun.set(run, { at, event })
      for (const oldest of begun.keys()) {
        if (begun.size <= openMax) break
        begun.delete(oldest)
      }
      return 'ignored'
    },
  }
}

function ended(start: Fields, end: Fields, at: number, endedAt: number): Imported {
  const job = { ...asFields(start.job), ...asFields(end.job) }
  const sql = text(asFields(asFields(asFields(job).facets).sql).query)
  const inputs = [start, end].flatMap((event) => asList(event.inputs).map(asFields))
  const outputs = [start, end].flatMap((event) => asList(event.outputs))
  const reads = new Map(inputs.map((input) => [`${input.namespace}.${input.name}`, bytesOf(input)]))
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

function bytesOf(input: Fields): number {
  const facets = asFields(input.inputFacets)
  return amount(asFields(facets.inputStatistics).size) ?? amount(asFields(facets.dataQualityMetrics).bytes) ?? 0
}
