import { EventSender, type Transport } from './event-sender.js'
import { FileTransport } from './file-transport.js'
import type { ReportOptions } from './query-report.js'
import { QueryReporter } from './query-reporter.js'

/** Where and how to tell of queries; see docs/openlineage.md. */
export interface OutboundConfiguration {
  readonly url?: string | undefined
  readonly endpoint: string
  readonly apiKey?: string | undefined
  readonly compression: 'none' | 'gzip'
  readonly file?: string | undefined
  readonly namespace: string
  readonly sql: ReportOptions['sql']
  readonly bufferEvents: number
  readonly timeout: number
}

export interface ReporterOptions extends Pick<ReportOptions, 'version' | 'table'> {
  readonly onError: (error: unknown) => void
}

/** What tells of queries, when the configuration names a receiver. */
export async function openReporter(
  configuration: OutboundConfiguration | undefined,
  { version, table, onError }: ReporterOptions,
): Promise<QueryReporter | undefined> {
  const transport = configuration === undefined ? undefined : await openTransport(configuration)
  if (configuration === undefined || transport === undefined) return undefined
  const { bufferEvents: bufferMax, timeout: timeoutMs, namespace, sql } = configuration
  const sender = new EventSender({ transport, bufferMax, timeoutMs, onError })
  return new QueryReporter(sender, { namespace, sql, version, table })
}

async function openTransport({
  url,
  endpoint,
  apiKey,
  compression,
  file,
}: OutboundConfiguration): Promise<Transport | undefined> {
  if (url !== undefined) {
    const { HttpTransport } = await import('./http-transport.js')
    return new HttpTransport({ url, endpoint, compression, ...(apiKey === undefined ? {} : { apiKey }) })
  }
  return file === undefined ? undefined : new FileTransport(file)
}
