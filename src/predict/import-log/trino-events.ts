import { amount, asFields, asList, type Fields, secondsOrDuration, text, time } from './fields.js'
import type { Importer } from './importer.js'
import { sqlShape } from './sql-shape.js'

/**
 * Bodies of Trino's HTTP event listener, one JSON object a line. Created events have no statistics and are passed over. The wait in
 * the resource group is `queuedMs`; the reads are the tables with the bytes that were read of them.
 */
export const trinoEvents: Importer = {
  layout: 'json-lines',
  query(event) {
    const metadata = asFields(event.metadata)
    const statistics = asFields(event.statistics)
    if (event.statistics === undefined && text(metadata.queryId) !== undefined) return 'ignored'
    const at = time(event.createTime)
    const end = time(event.endTime)
    const sql = text(metadata.query)
    if (at === undefined || end === undefined || sql === undefined) return { reason: 'is not a query completed event of Trino' }
    const queuedMs = Math.round(secondsOrDuration(statistics.queuedTime) ?? 0)
    const io = asFields(event.ioMetadata)
    const shape = sqlShape(sql)
    const cpuMs = secondsOrDuration(statistics.cpuTime)
    const peakMemoryBytes = amount(statistics.peakUserMemoryBytes)
    return {
      at,
      tenant: text(asFields(event.context).user) ?? 'unknown',
      template: shape.template,
      args: JSON.stringify(shape.args),
      sql,
      kind: io.output === undefined || io.output === null ? shape.kind : 'write',
      reads: asList(io.inputs).map((input) => readOf(asFields(input))),
      queuedMs,
      durationMs: Math.max(0, end - at - queuedMs),
      ...(cpuMs === undefined ? {} : { cpuMs }),
      ...(peakMemoryBytes === undefined ? {} : { peakMemoryBytes }),
    }
  },
}

function readOf({ catalogName, schema, table, physicalInputBytes }: Fields): { segment: string; bytes: number } {
  return { segment: [catalogName, schema, table].map(String).join('.'), bytes: amount(physicalInputBytes) ?? 0 }
}
