import { z } from 'zod'
import { ForebayError } from '../../model/errors.js'
import { priorities } from '../../model/priority.js'
import type { ParameterValue, QueryRequest, ResultFormat } from '../../model/query.js'

/** JSON can hold half of a surrogate pair, which no UTF-8 text can. */
const text = z.string().refine((value) => !/\p{Surrogate}/u.test(value), 'is not valid unicode: it holds half of a character')
const parameter = z.union([text, z.number(), z.boolean(), z.null()])

/** Body of every call that takes a query. */
export const queryBody = z
  .strictObject({
    sql: text.min(1).describe('One statement in the SQL dialect of DuckDB.'),
    priority: z.enum(priorities).default('interactive'),
    params: z
      .union(
        [z.record(z.string(), parameter), z.array(parameter)],
        'must be an object or a list of texts, numbers, booleans and nulls',
      )
      .default({})
      .describe('Values of $name by name, or of $1, $2 … and ? as a list.'),
    timeoutMs: z.number().int().min(1).max(86_400_000).optional(),
    tenant: text.min(1).max(200).default('default'),
    timeZone: z.string().min(1).max(100).refine(isTimeZone, 'is not a time zone, e.g. Europe/Berlin').default('UTC'),
    tree: z.enum(['auto', 'always', 'never']).optional(),
    reuse: z.boolean().default(true).describe('False reads no derived segment of an earlier query.'),
  })
  .meta({ id: 'Query', examples: [{ sql: 'SELECT 1 AS one' }] })

export type QueryBody = z.output<typeof queryBody>

/** What the configuration says where a body is silent. */
export interface QueryDefaults {
  readonly timeoutMs: number
  readonly tree: QueryRequest['tree']
  readonly sqlBytesMax: number
}

/** The request that a body means. */
export function queryRequest(body: QueryBody, format: ResultFormat, defaults: QueryDefaults, key?: string): QueryRequest {
  const size = Buffer.byteLength(body.sql)
  if (size > defaults.sqlBytesMax) {
    throw new ForebayError('REQUEST_TOO_LARGE', `body.sql: the text has ${size} bytes, ${defaults.sqlBytesMax} are allowed`, {
      hint: 'put long lists into a table with `forebay import` and join it; limits.sqlBytes of the configuration sets the limit',
    })
  }
  return {
    sql: body.sql,
    params: Array.isArray(body.params) ? byPosition(body.params) : body.params,
    priority: body.priority,
    tenant: body.tenant,
    timeZone: body.timeZone,
    timeoutMs: body.timeoutMs ?? defaults.timeoutMs,
    tree: body.tree ?? defaults.tree,
    reuse: body.reuse,
    format,
    ...(key === undefined ? {} : { idempotencyKey: key }),
  }
}

const byPosition = (values: readonly ParameterValue[]): Readonly<Record<string, ParameterValue>> =>
  Object.fromEntries(values.map((value, index) => [String(index + 1), value]))

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/** `idempotency-key`: 1–200 printable characters. */
export function idempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  if (typeof header === 'string' && /^[\x21-\x7e]{1,200}$/.test(header)) return header
  throw new ForebayError('REQUEST_INVALID', 'header idempotency-key: must be 1–200 printable characters without blanks')
}

/** `x-forebay-query-id`: a client that brings the id of its query can watch and cancel it before the first byte. */
export function wantedId(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  if (typeof header === 'string' && /^q-[a-z0-9-]{8,64}$/.test(header)) return header
  throw new ForebayError('REQUEST_INVALID', 'header x-forebay-query-id: must be q- and 8–64 of a–z, 0–9 and -')
}

/** A whole number of a query string. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`)

/** An instant in ISO-8601 or epoch milliseconds, as epoch milliseconds. Without a zone it is UTC, whatever the machine's own is. */
export const instant = z
  .string()
  .transform(epochMs)
  .refine((value) => Number.isFinite(value), 'must be a time in ISO-8601, e.g. 2026-01-31T10:00:00Z')

function epochMs(given: string): number {
  if (/^\d{1,15}$/.test(given)) return Number(given)
  const [time, zone] = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i.exec(given) ?? ['']
  // JavaScript takes a day for UTC, and a time without a zone for local.
  return Date.parse(zone === undefined && time.includes(':') ? `${time}Z` : time)
}
