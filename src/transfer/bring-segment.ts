import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { Agent } from 'undici'
import { ForebayError } from '../model/errors.js'
import { type DerivedSource, tokenHeader } from '../model/messages.js'
import type { StoredSegment } from '../model/segment.js'
import { fileCrc32 } from './crc32.js'

/** Brings derived segments to this node and proves their bytes by the checksum that their maker gave. */
export interface SegmentBringer {
  /**
   * Path of the segment's file on this host. `into` is where a copy by network goes. Rejects with CHECKSUM_MISMATCH when the
   * bytes are not those that were stored, and with UNAVAILABLE when they cannot be had.
   */
  bring(source: DerivedSource, into: string, signal: AbortSignal): Promise<{ readonly value: string; readonly bytes: number }>
  close(): Promise<void>
}

const connectTimeoutMs = 2_000
const bodyTimeoutMs = 30_000

/** A bringer that shows this run's token. */
export function openSegmentBringer(token: string): SegmentBringer {
  const agent = new Agent({
    connections: 8,
    connect: { timeout: connectTimeoutMs },
    bodyTimeout: bodyTimeoutMs,
    headersTimeout: bodyTimeoutMs,
  })
  return {
    bring: async ({ stored, url, via }, into, signal) =>
      via === 'file' ? byFile(stored) : { value: into, bytes: await byNetwork(agent, token, stored, url, into, signal) },
    close: () => agent.destroy(),
  }
}

async function byFile(stored: StoredSegment): Promise<{ value: string; bytes: number }> {
  try {
    const found = await fileCrc32(stored.path)
    verify(stored, found)
    return { value: stored.path, bytes: found.bytes }
  } catch (error) {
    throw asUnavailable(stored, error)
  }
}

async function byNetwork(
  agent: Agent,
  token: string,
  stored: StoredSegment,
  url: string,
  into: string,
  signal: AbortSignal,
): Promise<number> {
  let crc = 0
  let bytes = 0
  try {
    const { origin, pathname } = new URL(url)
    const file = createWriteStream(into)
    const sink = new Writable({
      write(piece: Buffer, _encoding, done) {
        crc = crc32(piece, crc)
        bytes += piece.length
        file.write(piece, done)
      },
      final: (done) => void file.end(done),
      destroy(error, done) {
        file.destroy()
        done(error)
      },
    })
    await agent.stream({ origin, path: pathname, method: 'GET', headers: { [tokenHeader]: token }, signal }, ({ statusCode }) => {
      if (statusCode !== 200)
        throw new ForebayError('UNAVAILABLE', `segment "${stored.id}" was refused by ${stored.node}: status ${statusCode}`)
      return sink
    })
    verify(stored, { crc32: crc, bytes })
    return bytes
  } catch (error) {
    await rm(into, { force: true })
    if (signal.aborted) throw signal.reason
    throw asUnavailable(stored, error)
  }
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
