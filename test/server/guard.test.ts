import { describe, expect, it } from 'vitest'
import { makeGuard } from '../../src/server/http/guard.js'

const loopback = makeGuard({
  token: undefined,
  hosts: ['127.0.0.1', 'localhost', '[::1]', 'lake.internal'],
  origins: new Set(['https://console.example']),
})
const token = 'a-very-long-token-indeed'
const guarded = makeGuard({ token, hosts: [], origins: new Set(['https://console.example']) })

describe('on loopback', () => {
  it.each([
    { host: '127.0.0.1:4180' },
    { host: 'LOCALHOST:1' },
    { host: '[::1]:4180' },
    { host: 'lake.internal' },
    { host: 'localhost:4180', origin: 'http://localhost:4180' },
    { host: '127.0.0.1:4180', origin: 'https://console.example' },
    { host: '127.0.0.1:4180', 'sec-fetch-site': 'same-origin' },
    { host: '127.0.0.1:4180', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
  ])('serves %j', (headers) => {
    expect(() => loopback(headers, '/v1/query')).not.toThrow()
  })

  it.each([
    {},
    { host: 'evil.example' },
    { host: '127.0.0.1.evil.example:4180' },
    { host: 'localhost:4180@evil.example' },
    { host: '127.0.0.1:4180', origin: 'https://evil.example' },
    { host: '127.0.0.1:4180', origin: 'http://127.0.0.1:9999' },
    { host: '127.0.0.1:4180', origin: 'null' },
    { host: '127.0.0.1:4180', origin: 'file://' },
    { host: '127.0.0.1:4180', 'sec-fetch-site': 'cross-site' },
    { host: '127.0.0.1:4180', 'sec-fetch-site': 'same-site' },
  ])('refuses %j', (headers) => {
    expect(() => loopback(headers, '/v1/query')).toThrow(expect.objectContaining({ code: 'FORBIDDEN_ORIGIN' }))
  })

  it('does not repeat control characters of a header', () => {
    expect(() => loopback({ host: 'a\x1b[31m' }, '/')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('\x1b') }),
    )
  })
})

describe('with a token', () => {
  it('serves who has it, by any name', () => {
    expect(() => guarded({ host: 'lake.example', authorization: `Bearer ${token}` }, '/v1/query')).not.toThrow()
  })

  it.each([{}, { authorization: 'Bearer wrong' }, { authorization: `Basic ${token}` }, { authorization: `Bearer ${token}x` }])(
    'refuses %j',
    (headers) => {
      expect(() => guarded({ host: 'lake.example', ...headers }, '/v1/query')).toThrow(
        expect.objectContaining({ code: 'UNAUTHORIZED' }),
      )
    },
  )

  it('lets a browser ask, without it, what a page of an allowed origin may send', () => {
    const headers = { host: 'lake.example', origin: 'https://console.example' }
    expect(() => guarded(headers, '/v1/query', true)).not.toThrow()
    expect(() => guarded(headers, '/v1/query')).toThrow(expect.objectContaining({ code: 'UNAUTHORIZED' }))
    expect(() => guarded({ ...headers, origin: 'https://evil.example' }, '/v1/query', true)).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN_ORIGIN' }),
    )
  })

  it('lets probes in without it, and nothing else', () => {
    expect(() => guarded({ host: 'x' }, '/healthz')).not.toThrow()
    expect(() => guarded({ host: 'x' }, '/metrics')).toThrow()
  })
})
