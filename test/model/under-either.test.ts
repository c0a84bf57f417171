import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { underEither } from '../../src/model/under-either.js'

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason), { once: true }))

describe('work under either of two signals', () => {
  it.each([0, 1])('ends with signal %i, for its reason', async (index) => {
    const both = [new AbortController(), new AbortController()]
    const signals = both.map((controller) => controller.signal)
    const reason = underEither(signals, aborted)
    both[index]?.abort(`signal ${index}`)
    both[1 - index]?.abort('too late')
    expect(await reason).toBe(`signal ${index}`)
  })

  it('begins aborted where one has ended before', async () => {
    const signals = [new AbortController().signal, AbortSignal.abort('long ago')]
    expect(await underEither(signals, ({ reason }) => Promise.resolve(reason))).toBe('long ago')
  })

  it('leaves nothing at a signal that lives on, whether it ends well or not', async () => {
    const { signal } = new AbortController()
    await underEither([signal], () => Promise.resolve('well'))
    await expect(underEither([signal], () => Promise.reject(new Error('badly')))).rejects.toThrow('badly')
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})
