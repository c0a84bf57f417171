/** One query of a query log. */
export interface LoggedQuery {
  readonly line: 'query'
  readonly at: number
  readonly tenant: string
  readonly template: string
  /** Arguments as JSON text: what tells exact repeats apart. */
  readonly args: string
  readonly sql?: string
  readonly kind: 'read' | 'write'
  readonly reads: readonly { readonly segment: string; readonly bytes: number }[]
  /** Absent in a log of arrivals only. */
  readonly durationMs?: number
  readonly queuedMs: number
  readonly cpuMs?: number
  readonly peakMemoryBytes?: number
  readonly clusterSize?: number
}

/** A logged query as the running server knows it. */
export interface Identity {
  readonly fingerprint: string
  readonly literals: string
  readonly datasets: readonly string[]
  readonly sql: string
}

/** How many queries of a tenant came within a period. */
export interface LoggedActivity {
  readonly line: 'activity'
  readonly at: number
  readonly periodMs: number
  readonly tenant: string
  readonly count: number
}

/** A line that is neither, and why. */
interface BadLine {
  readonly line: 'bad'
  readonly reason: string
}

export type LogLine = LoggedQuery | LoggedActivity | BadLine

/** The last time that a date can say. Nanoseconds since 1970 are beyond it. */
const timeMax = 8.64e15
/** An exabyte, or longer than the world is old: what is larger is no measure, and sums of it are no numbers. */
const amountMax = 1e18

/** Reads one line of a query log. Never throws: what is wrong with a line is said in a sentence that names the field. */
export function parseLogLine(text: string): LogLine {
  let json: unknown
  try {
    // Some editors and shells begin a file with a byte order mark.
    json = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch {
    return bad('is not JSON')
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return bad('is not an object')
  const fields = json as Record<string, unknown>
  const fault = timeFault(fields.at)
  if (fault !== undefined) return bad(fault)
  if (typeof fields.tenant !== 'string') return bad('`tenant` is not a string')
  return 'periodMs' in fields ? activityOf(fields) : queryOf(fields)
}

function activityOf(fields: Record<string, unknown>): LogLine {
  const { at, tenant, periodMs, count } = fields
  if (!isAmount(periodMs) || periodMs === 0) return bad('`periodMs` is not a positive number')
  if (!isAmount(count)) return bad('`count` is not a number ≥ 0')
  return { line: 'activity', at: at as number, tenant: tenant as string, periodMs, count }
}

function queryOf(fields: Record<string, unknown>): LogLine {
  const { template, kind = 'read', reads = [], args = [], sql, queuedMs = 0 } = fields
  if (typeof template !== 'string') return bad('`template` is not a string')
  if (kind !== 'read' && kind !== 'write') return bad('`kind` is neither read nor write')
  if (!isReads(reads)) return bad('`reads` is not a list of {segment, bytes}')
  const fault = amountFault({ ...fields, queuedMs, reads })
  if (fault !== undefined) return bad(fault)
  const amounts = Object.fromEntries(
    ['durationMs', 'cpuMs', 'peakMemoryBytes', 'clusterSize'].flatMap((name) =>
      fields[name] === undefined ? [] : [[name, fields[name] as number]],
    ),
  )
  return {
    line: 'query',
    at: fields.at as number,
    tenant: fields.tenant as string,
    template,
    args: JSON.stringify(args),
    ...(typeof sql === 'string' ? { sql } : {}),
    kind,
    reads,
    queuedMs: queuedMs as number,
    ...amounts,
  }
}

/** What is wrong with the numbers of a query of another system's log; undefined when nothing is. */
export function queryFault(query: Omit<LoggedQuery, 'line'>): string | undefined {
  return timeFault(query.at) ?? amountFault(query)
}

function timeFault(at: unknown): string | undefined {
  return isAmount(at) && at <= timeMax ? undefined : '`at` is not a time in epoch milliseconds'
}

function amountFault(fields: { readonly reads: LoggedQuery['reads'] } & Readonly<Record<string, unknown>>): string | undefined {
  for (const name of ['queuedMs', 'durationMs', 'cpuMs', 'peakMemoryBytes', 'clusterSize'] as const) {
    const amount = fields[name]
    if (amount === undefined) continue
    if (!isAmount(amount)) return `\`${name}\` is not a number ≥ 0`
    if (amount > amountMax) return `\`${name}\` is above 1e18`
  }
  return fields.reads.some(({ bytes }) => bytes > amountMax) ? '`bytes` in `reads` is above 1e18' : undefined
}

function isReads(value: unknown): value is LoggedQuery['reads'] {
  return Array.isArray(value) && value.every((read) => typeof read?.segment === 'string' && isAmount(read?.bytes))
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function bad(reason: string): BadLine {
  return { line: 'bad', reason }
}
