import type { FastifyError } from 'fastify'
import { z } from 'zod'
import { type ErrorRecord, errorCodes, ForebayError, toErrorRecord } from '../../model/errors.js'
import { errorStatus } from './error-status.js'

/** Status and body of an answer that is an error. */
export interface ErrorAnswer {
  readonly status: number
  readonly body: { readonly error: ErrorRecord }
}

/** An `ErrorRecord` as `/openapi.json` describes it. */
export const errorSchema = z.object({
  code: z.enum(errorCodes),
  message: z.string(),
  hint: z.string().optional(),
  position: z.number().int().min(0).optional().describe('Character offset into the SQL text, from 0.'),
  queryId: z.string().optional(),
})

/** Turns anything thrown while a request is served into the answer that the client gets. */
export function errorAnswer(error: unknown): ErrorAnswer {
  const record = toErrorRecord(fromFramework(error))
  return { status: errorStatus[record.code], body: { error: record } }
}

const jsonHint =
  "send JSON, not compressed, with the header content-type: application/json, e.g. curl -H 'content-type: application/json' -d '{…}'"

function fromFramework(error: unknown): unknown {
  if (error instanceof ForebayError) return error
  if (error instanceof z.ZodError) return invalidField(error)
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

/** Fastify adds which part of the request is wrong. */
function invalidField(error: z.ZodError & { readonly validationContext?: string }): ForebayError {
  const [issue] = error.issues
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  const field = [error.validationContext ?? 'body', ...(issue?.path ?? []), ...unknown].join('.')
  const problem = unknown.length > 0 ? 'there is no such field' : (issue?.message ?? 'is wrong')
  return new ForebayError('REQUEST_INVALID', `${field}: ${problem}`, { hint: 'GET /openapi.json describes every call' })
}
