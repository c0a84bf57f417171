/**
 * A call as `/openapi.json` describes it, beside what its schemas say: the kinds of its body where that is a file, of its answer
 * where that is no JSON, and the envelope of its errors. It documents, and has no part in a request.
 */
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { errorSchema } from './error-envelope.js'

const envelope = z.object({ error: errorSchema }).meta({ id: 'Error' })
const failure = { description: 'A failure.', content: { 'application/json': { schema: envelope } } }

/** `jsonSchemaTransform`, and what it does not say. */
export const describeCall: typeof jsonSchemaTransform = (call) => {
  const { schema } = call
  if (schema === undefined || schema.hide === true) return jsonSchemaTransform(call)
  const { consumes, produces = ['application/json'], response, ...rest } = schema
  const answers = response ?? { 200: { description: 'The answer.', content: ofTypes(produces) } }
  const described = jsonSchemaTransform({ ...call, schema: { ...rest, response: { ...answers, default: failure } } })
  const isFile = consumes !== undefined && rest.body === undefined
  const file = () => ({ content: Object.fromEntries((consumes ?? []).map((type) => [type, { schema: {} }])) })
  return isFile ? { ...described, schema: { ...described.schema, body: file() } } : described
}

const ofTypes = (types: readonly string[]): Readonly<Record<string, { readonly schema: z.ZodType }>> =>
  Object.fromEntries(types.map((type) => [type, { schema: type === 'application/json' ? z.unknown() : z.string() }]))
