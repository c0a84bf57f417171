import type { FastifyError } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { type ErrorRecord, ForebayError, toErrorRecord } from '../../model/errors.js'
import { errorStatus } from './error-status.js'

/** Status and body of an answer that is an error. */
export interface ErrorAnswer {
  readonly status: number
  readonly body: { readonly error: ErrorRecord }
}

/** Turns anything thrown while a request is served into the answer that the client gets. */
export function errorAnswer(error: unknown): ErrorAnswer {
  const record = toErrorRecord(fromFramework(error))
  return { status: errorStatus[record.code], body: { error: record } }
}

const jsonHint =
  "send JSON with the header content-type: application/json, e.g. curl -H 'content-type: application/json' -d '{…}'"

function fromFramework(error: unknown): unknown {
  if (error instanceof ForebayError) return error
  if (hasZodFastifySchemaValidationErrors(error)) return invalidField(error)
  const { code, statusCode, message } = (error ?? {}) as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new ForebayError('REQUEST_TOO_LARGE', 'the body of the request is too large', {
      hint: 'limits.sqlBytes and limits.importBytes of the configuration set the limits',
    })
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new ForebayError('REQUEST_INVALID', 'the body has a content type that is not understood', { hint: jsonHint })
  }
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY') return new ForebayError('REQUEST_INVALID', 'the body is empty', { hint: jsonHint })
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    const json = code?.startsWith('FST_ERR_CTP') || error instanceof SyntaxError
    if (json) return new ForebayError('REQUEST_INVALID', 'the body is not valid JSON', { hint: jsonHint })
    return new ForebayError('REQUEST_INVALID', message ?? 'the request is malformed')
  }
  return error
}

interface ZodIssueLike {
  readonly keyword: string
  readonly instancePath: string
  readonly message?: string
  readonly params?: { readonly keys?: readonly string[] }
}

function invalidField(error: { readonly validation?: unknown; readonly validationContext?: string }): ForebayError {
  const [issue] = (error.validation ?? []) as readonly ZodIssueLike[]
  const part = error.validationContext ?? 'body'
  const inner = issue?.instancePath.split('/').filter((name) => name !== '') ?? []
  const unknown = issue?.keyword === 'unrecognized_keys' ? (issue.params?.keys?.[0] ?? '') : undefined
  const field = [part, ...inner, ...(unknown === undefined ? [] : [unknown])].join('.')
  const problem = unknown === undefined ? (issue?.message ?? 'is wrong') : 'there is no such field'
  return new ForebayError('REQUEST_INVALID', `${field}: ${problem}`, { hint: 'GET /openapi.json describes every call' })
}
