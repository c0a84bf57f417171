import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Agent, get, type IncomingMessage } from 'node:http'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import { ForebayError } from '../model/errors.js'
import { type DerivedSource, tokenHeader } from '../model/messages.js'
import type { StoredSegment } from '../model/segment.js'
import { segmentCrc32 } from './crc32.js'

export interface Brought {
  readonly value: string
  readonly bytes: number
}

/** Brings derived segments to this node and proves their bytes by the checksum that their maker gave. */
export interface SegmentBringer {
  /**
   * Path of the segment's file on this host. `into` is where a copy by network goes. Rejects with CHECKSUM_MISMATCH when the
   * bytes are not those that were stored, and with UNAVAILABLE when they cannot be had.
   */
  bring(source: DerivedSource, into: string, signal: AbortSignal, traceparent?: string): Promise<Brought>
  close(): void
}

const silenceMs = 10_000

/** A bringer that shows this run's token. Node's own client: undici is a little faster, but takes 40 ms of a node's start. */
export function openSegmentBringer(token: string): SegmentBringer {
  const agent = new Agent({ keepAlive: true, maxSockets: 16, timeout: silenceMs })
  return {
    bring: async (source, into, signal, traceparent) => {
      const { stored } = source
      try {
        const headers = { [tokenHeader]: token, ...(traceparent === undefined ? {} : { traceparent }) }
        const bytes = source.via === 'file' ? await byFile(stored) : await byNetwork(agent, headers, source, into, signal)
        return { value: source.via === 'file' ? stored.path : into, bytes }
      } catch (error) {
        if (signal.aborted) throw signal.reason
        throw asUnavailable(stored, error)
      }
    },
    close: () => agent.destroy(),
  }
}

async function byFile(stored: StoredSegment): Promise<number> {
  const found = await segmentCrc32(stored.path)
  verify(stored, found)
  return found.bytes
}

type Headers = Readonly<Record<string, string>>

async function byNetwork(
  agent: Agent,
  headers: Headers,
  source: DerivedSource,
  into: string,
  signal: AbortSignal,
): Promise<number> {
  const { stored, url } = source
  try {
    const response = await request(url, agent, headers, signal)
    if (response.statusCode !== 200) {
      response.resume()
      throw new ForebayError('UNAVAILABLE', `segment "${stored.id}" was refused by ${stored.node}: status ${response.statusCode}`)
    }
    const found = { crc32: 0, bytes: 0 }
    const measure = new Transform({
      transform(piece: Buffer, _encoding, done) {
        found.crc32 = crc32(piece, found.crc32)
        found.bytes += piece.length
        done(null, piece)
      },
    })
    await pipeline(response, measure, createWriteStream(into), { signal })
    verify(stored, found)
    return found.bytes
  } catch (error) {
    await rm(into, { force: true })
    throw error
  }
}

function request(url: string, agent: Agent, headers: Headers, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = get(url, { agent, signal, headers }, resolve)
    sent.once('error', reject)
    sent.once('timeout', () => sent.destroy(new Error(`no answer within ${silenceMs} ms`)))
  })
}

function verify(stored: StoredSegment, found: { readonly crc32: number; readonly bytes: number }): void {
  if (found.bytes === stored.bytes && found.crc32 === stored.crc32) return
  throw new ForebayError('CHECKSUM_MISMATCH', `segment "${stored.id}" of ${stored.node} is damaged: its checksum differs`)
}

function asUnavailable(stored: StoredSegment, error: unknown): ForebayError {
  if (error instanceof ForebayError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new ForebayError('UNAVAILABLE', `segment "${stored.id}" of ${stored.node} cannot be had: ${why}`, { cause: error })
}
