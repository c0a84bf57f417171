import { ForebayError } from '../../model/errors.js'
import type { ResultFormat } from '../../model/query.js'

/** Content type of each result format. */
export const contentTypes: Readonly<Record<ResultFormat, string>> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  arrow: 'application/vnd.apache.arrow.stream',
  parquet: 'application/vnd.apache.parquet',
}

const formats: ReadonlyMap<string, ResultFormat> = new Map([
  ...Object.entries(contentTypes).map(([format, type]) => [type, format as ResultFormat] as const),
  ['application/*', 'json'],
  ['text/*', 'csv'],
])

/** The format that an Accept header asks for most, `any` where it takes all alike. REQUEST_INVALID when it names none that exists. */
export function acceptedFormat(accept: string | undefined, any: ResultFormat = 'json'): ResultFormat {
  if (accept === undefined || accept.trim() === '') return any
  let best: { readonly format: ResultFormat; readonly weight: number } | undefined
  for (const entry of accept.split(',').slice(0, 50)) {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase())
    const quality = parameters.find((parameter) => parameter.startsWith('q='))
    const weight = quality === undefined ? 1 : Number(quality.slice(2))
    const format = type === '*/*' ? any : formats.get(type)
    if (format !== undefined && weight > 0 && (best === undefined || weight > best.weight)) best = { format, weight }
  }
  if (best !== undefined) return best.format
  throw new ForebayError('REQUEST_INVALID', 'header accept: names no format that results come in', {
    hint: `ask for one of ${Object.values(contentTypes).join(', ')}`,
  })
}
