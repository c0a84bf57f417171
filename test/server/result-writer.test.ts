import { EventEmitter } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { writeBody } from '../../src/server/http/result-writer.js'

async function* chunks(texts: readonly string[], failure?: Error): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
  if (failure !== undefined) throw failure
}

/** What a client's socket gets of a body, to its end. */
async function received(body: AsyncIterable<Uint8Array>): Promise<{ readonly text: string; readonly abandoned: string[] }> {
  const abandoned: string[] = []
  const server = createServer((_, response) => {
    void writeBody(response, body, { headers: {}, idleMs: 60_000, onAbandoned: (reason) => abandoned.push(reason) })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  let text = ''
  for await (const part of socket) text += String(part)
  server.close()
  return { text, abandoned }
}

const lastChunk = '\r\n0\r\n\r\n'

describe('over a socket', () => {
  it('sends what a body gave before it broke off, and no mark of its end', async () => {
    const { text, abandoned } = await received(chunks(['{"a":1}\n', '{"error":"n1 is gone"}\n'], new Error('n1 is gone')))
    expect(text).toContain('{"a":1}\n{"error":"n1 is gone"}\n')
    expect(text).not.toContain(lastChunk)
    expect(abandoned).toEqual(['n1 is gone'])
  })

  it('sends the last line of a large body that broke off', async () => {
    const { text } = await received(chunks([...Array(40).fill('x'.repeat(100_000)), 'the error\n'], new Error('n1 is gone')))
    expect(text.match(/x+/g)?.reduce((sum, part) => sum + part.length, 0)).toBe(4_000_000)
    expect(text).toContain('the error\n')
    expect(text).not.toContain(lastChunk)
  })

  it('ends a whole body with its mark', async () => {
    const { text, abandoned } = await received(chunks(['whole']))
    expect([text.includes('whole'), text.endsWith(lastChunk), abandoned]).toEqual([true, true, []])
  })
})

describe('with a client that is slow', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  /** A response whose client takes bytes at a rate; 0 takes none. */
  function responseAt(bytesPerSecond: number): ServerResponse & { readonly taken: () => number } {
    let taken = 0
    const response = Object.assign(new EventEmitter(), {
      destroyed: false,
      taken: () => taken,
      writeHead: () => {},
      end: () => {},
      destroy: () => {},
      write: (chunk: Uint8Array) => {
        if (bytesPerSecond === 0) return false
        const ms = (chunk.byteLength / bytesPerSecond) * 1_000
        setTimeout(() => {
          taken += chunk.byteLength
          response.emit('drain')
        }, ms)
        return false
      },
    })
    return response as unknown as ServerResponse & { readonly taken: () => number }
  }

  async function write(response: ServerResponse): Promise<readonly string[]> {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const abandoned: string[] = []
    const options = { headers: {}, idleMs: 60_000, onAbandoned: (reason: string) => abandoned.push(reason) }
    const written = writeBody(response, chunks(['x'.repeat(1_000_000)]), options)
    // Twice as long as the slowest client here needs.
    await vi.advanceTimersByTimeAsync(1_000_000)
    await written
    return abandoned
  }

  it('goes on as long as it takes bytes, however long one chunk takes', async () => {
    const response = responseAt(2_000)
    expect(await write(response)).toEqual([])
    expect(response.taken()).toBe(1_000_000)
  })

  it('cuts it off when it takes none', async () => {
    expect(await write(responseAt(0))).toEqual(['the client takes no bytes of its answer'])
  })
})
