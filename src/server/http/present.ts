/** Records of the model as the API shows them: times in ISO-8601, and only what is promised to last. */
import type { TableSummary } from '../../model/catalogue.js'
import type { Forecast, LedgerEntry } from '../../model/forecast.js'
import type { Transfer } from '../../model/lineage-event.js'
import type { NodeStatus } from '../../model/node.js'
import type { QueryStatus } from '../../model/query.js'
import type { BaseSegment, Snapshot } from '../../model/segment.js'

/** Epoch milliseconds as ISO-8601 in UTC; undefined stays away from the JSON. */
export const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString())

/** Epoch microseconds as ISO-8601 in UTC. */
export function isoMicros(micros: number): string {
  const ms = Math.floor(micros / 1000)
  return new Date(ms).toISOString().replace('Z', `${String(micros - ms * 1000).padStart(3, '0')}Z`)
}

export function presentQuery(status: QueryStatus): Record<string, unknown> {
  const { submittedAt, startedAt, finishedAt, ...rest } = status
  return { ...rest, submittedAt: iso(submittedAt), startedAt: iso(startedAt), finishedAt: iso(finishedAt) }
}

export function presentTable(table: TableSummary): Record<string, unknown> {
  const { createdAt, ...rest } = table
  return { ...rest, createdAt: iso(createdAt) }
}

export function presentSegment(segment: BaseSegment): Record<string, unknown> {
  return {
    id: segment.id,
    ordinal: segment.ordinal,
    path: segment.file.path,
    ...(segment.rowRange === undefined ? {} : { rowRange: segment.rowRange }),
    rows: segment.rows,
    bytes: segment.bytes,
    partition: segment.partition,
  }
}

export function presentSnapshot(snapshot: Snapshot): Record<string, unknown> {
  return {
    id: snapshot.id,
    createdAt: iso(snapshot.createdAt),
    mixedSchemas: snapshot.mixedSchemas,
    segments: snapshot.segments.map(presentSegment),
  }
}

export function presentNode(node: NodeStatus, loadScore: number): Record<string, unknown> {
  const { id, kind, state, incarnation, roles, cpuSeconds, memoryBytes, memoryLimitBytes, warmBytes, runningTasks } = node
  return {
    id,
    kind,
    state,
    incarnation,
    roles,
    loadScore,
    cpu: cpuSeconds,
    memoryBytes,
    memoryLimitBytes,
    warmBytes,
    runningTasks,
    ...(node.pid === undefined ? {} : { pid: node.pid }),
  }
}

export function presentForecast(forecast: Forecast, expected: Record<string, unknown>): Record<string, unknown> {
  const { id, template, tenant, probability, source, sql, why } = forecast
  return {
    id,
    template,
    tenant,
    at: iso(forecast.at),
    from: iso(forecast.from),
    until: iso(forecast.until),
    probability,
    source,
    expected: { sql, ...expected },
    why,
  }
}

export function presentLedgerEntry(entry: LedgerEntry): Record<string, unknown> {
  const { decidedAt, dueAt, settledAt, expectedBenefitMs, expectedCost, measuredBenefitMs, measuredCost, ...rest } = entry
  return {
    ...rest,
    decidedAt: iso(decidedAt),
    dueAt: iso(dueAt),
    settledAt: iso(settledAt),
    expected: { benefitMs: expectedBenefitMs, cost: expectedCost },
    measured: measuredBenefitMs === undefined ? undefined : { benefitMs: measuredBenefitMs, cost: measuredCost },
  }
}

export function presentTransfer(transfer: Transfer): Record<string, unknown> {
  const { segment, source, destination, via, bytes, rows, micros, at } = transfer
  return { segment, source, destination, via, bytes, rows, transferMs: micros / 1000, at: isoMicros(at) }
}

const eventTextMax = 1_000
const beginning = (text: string): string => text.slice(0, eventTextMax)

/** A query as events tell of it, at every change of its state: of a long statement they hold the beginning. */
export function presentQueryEvent({ template, ...status }: QueryStatus): Record<string, unknown> {
  return {
    ...presentQuery({ ...status, sql: beginning(status.sql) }),
    ...(template === undefined ? {} : { template: beginning(template) }),
  }
}

/** A forecast as events tell of it, with the beginning of a long statement. */
export function presentForecastEvent(forecast: Forecast): Record<string, unknown> {
  return presentForecast({ ...forecast, sql: beginning(forecast.sql) }, {})
}
