/**
 * How messages look on a broker: JSON, gzip above 32 KB (gzip announces itself by its first two bytes), the bytes of a small
 * answer as base64. A person can read them with the broker's own tools.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { ForebayError } from '../../model/errors.js'
import type { FromNode, TaskMessage } from '../../model/messages.js'
import { type Priority, priorities } from '../../model/priority.js'

/** A task on its way. `run` and `incarnation` fence it: only the process that it was meant for works on it. */
export interface TaskEnvelope {
  readonly version: 1
  readonly run: string
  readonly incarnation: number
  readonly priority: Priority
  readonly task: TaskMessage
}

/** What a node says, with whom it is from. */
export interface ReportEnvelope {
  readonly version: 1
  readonly run: string
  readonly node: string
  readonly incarnation: number
  /** Counts what this process has said: a report that comes twice has the same number. */
  readonly sequence: number
  readonly message: FromNode
}

const gzipAbove = 32_768
/** Brokers refuse larger messages, or are configured to. */
const messageBytesMax = 8_000_000

export function encodeTask(envelope: TaskEnvelope): Buffer {
  return encode(envelope, `task "${envelope.task.taskId}"`)
}

/** Throws on anything that is not a task of this version. */
export function decodeTask(body: Buffer): TaskEnvelope {
  const envelope = decode(body) as Partial<TaskEnvelope> | null
  const { version, run, incarnation, priority, task } = envelope ?? {}
  const whole =
    version === 1 && typeof run === 'string' && typeof incarnation === 'number' && priorities.some((each) => each === priority)
  if (!whole || typeof task?.taskId !== 'string' || typeof task.attempt !== 'number' || typeof task.sql !== 'string') {
    throw new ForebayError('REQUEST_INVALID', 'the message is not a task of this version')
  }
  return envelope as TaskEnvelope
}

export function encodeReport(envelope: ReportEnvelope): Buffer {
  const { message } = envelope
  const inline = message.type === 'finished' && message.result.to === 'client' ? message.result.inline : undefined
  if (inline === undefined) return encode(envelope, `report of ${envelope.node}`)
  const base64 = Buffer.from(inline.buffer, inline.byteOffset, inline.byteLength).toString('base64')
  const result = { ...(message as Finished).result, inline: base64 }
  return encode({ ...envelope, message: { ...message, result } }, `report of ${envelope.node}`)
}

/** Throws on anything that is not a report of this version. */
export function decodeReport(body: Buffer): ReportEnvelope {
  const envelope = decode(body) as ReportEnvelope | null
  if (envelope?.version !== 1 || typeof envelope.node !== 'string' || typeof envelope.message?.type !== 'string') {
    throw new ForebayError('REQUEST_INVALID', 'the message is not a report of this version')
  }
  const { message } = envelope
  if (message.type !== 'finished' || message.result.to !== 'client' || message.result.inline === undefined) return envelope
  const inline = Buffer.from(message.result.inline as unknown as string, 'base64')
  return { ...envelope, message: { ...message, result: { ...message.result, inline } } }
}

type Finished = Extract<FromNode, { type: 'finished' }>

/** Any value as the body of a message. `what` names it when it is too large. */
export function encode(value: unknown, what: string): Buffer {
  const json = Buffer.from(JSON.stringify(value))
  const body = json.length > gzipAbove ? gzipSync(json, { level: 1 }) : json
  if (body.length <= messageBytesMax) return body
  throw new ForebayError(
    'REQUEST_TOO_LARGE',
    `${what} has ${body.length} bytes, more than the ${messageBytesMax} that a queue takes`,
  )
}

export function decode(body: Buffer): unknown {
  const packed = body[0] === 0x1f && body[1] === 0x8b
  // What unpacks to more than this is not ours.
  return JSON.parse((packed ? gunzipSync(body, { maxOutputLength: 50 * messageBytesMax }) : body).toString('utf8'))
}
