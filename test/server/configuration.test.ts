import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { isLoopback, readConfiguration, readCredentials } from '../../src/server/configuration.js'

const folder = mkdtempSync(join(tmpdir(), 'forebay-configuration-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const code = (run: () => unknown): unknown => {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

describe('readConfiguration', () => {
  it('says what is wrong with a key in plain words', () => {
    const message = (flags: Record<string, unknown>) => (code(() => readConfiguration({ folder, flags })) as Error).message
    expect(message({ nodes: '0' })).toBe('configuration key "nodes": must be at least 1')
    expect(message({ port: 'x' })).toBe('configuration key "port": must be a number')
    expect(message({ tls: { certFile: 'x' } })).toBe('configuration key "tls.keyFile": is missing')
    expect(message({ memory: true })).toBe('configuration key "memory": is of the wrong kind')
    // The origin of a URL of another kind is "null", which is that of many pages.
    for (const url of ['x', 'localhost:3000', 'file:///srv/page.html']) {
      expect(message({ allowedOrigins: [url] })).toBe('configuration key "allowedOrigins.0": must be a URL')
    }
  })

  it('has the promised defaults', () => {
    const configuration = readConfiguration({ folder })
    expect(configuration).toMatchObject({
      data: join(folder, 'data'),
      state: join(folder, '.forebay'),
      host: '127.0.0.1',
      port: 4180,
      tree: 'auto',
      memory: 2e9,
      disk: 20e9,
      engine: 'embedded',
      proactive: 'on',
    })
    expect(configuration.nodes).toBeGreaterThan(0)
  })

  it('takes flags before the environment before the file', () => {
    writeFileSync(join(folder, 'forebay.yaml'), 'port: 1\nnodes: 3\nmemory: 1GiB\nproactive: off\n')
    const environment = { FOREBAY_PORT: '2', FOREBAY_NODES: '4' }
    const configuration = readConfiguration({ folder, environment, flags: { port: '3', tree: undefined } })
    expect(configuration).toMatchObject({ port: 3, nodes: 4, memory: 2 ** 30, proactive: 'off' })
    rmSync(join(folder, 'forebay.yaml'))
  })

  it.each([
    [{ port: 'x' }, '"port"'],
    [{ port: '70000' }, '"port"'],
    [{ nodes: '0' }, '"nodes"'],
    [{ memory: 'much' }, '"memory"'],
    [{ memory: '1KB' }, '"memory"'],
    [{ tree: 'maybe' }, '"tree"'],
    [{ proactive: 'perhaps' }, '"proactive"'],
    [{ colour: 'blue' }, 'unknown configuration key "colour"'],
    [{ limits: { sqlByte: 1 } }, '"limits.sqlByte"'],
    [{ limits: { connections: 0 } }, '"limits.connections"'],
    [{ tls: { certFile: 'a' } }, '"tls.keyFile"'],
    [{ queue: 'nats://127.0.0.1' }, '"queue"'],
    [{ lineage: 'postgres://127.0.0.1' }, '"lineage"'],
    [{ lineage: 'neo4j://' }, '"lineage"'],
    [{ provisioner: 'azure://group' }, '"provisioner"'],
  ])('names the key of %j', (flags, named) => {
    const error = code(() => readConfiguration({ folder, flags }))
    expect(error).toMatchObject({ code: 'CONFIGURATION_INVALID' })
    expect((error as Error).message).toContain(named)
  })

  it.each([
    ['a: b: c', 'cannot be read'],
    ['- list', 'not a list of keys'],
  ])('refuses the file %j', (text, message) => {
    const file = join(folder, 'bad.yaml')
    writeFileSync(file, text)
    expect(code(() => readConfiguration({ folder, file }))).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining(message),
    })
  })

  it('refuses a file that is named and not there', () => {
    expect(code(() => readConfiguration({ folder, file: 'none.yaml' }))).toMatchObject({ code: 'CONFIGURATION_INVALID' })
  })
})

describe('readCredentials', () => {
  it('asks for nothing on loopback', () => {
    expect(readCredentials(readConfiguration({ folder }))).toEqual({ token: undefined, tls: undefined })
    expect(isLoopback('127.8.9.1')).toBe(true)
    expect(isLoopback('128.0.0.1')).toBe(false)
  })

  it('refuses to be open to other machines without a token and TLS', () => {
    const token = join(folder, 'token')
    writeFileSync(token, '0123456789abcdef0123456789abcdef\n')
    for (const flags of [{ host: '0.0.0.0' }, { host: '0.0.0.0', tokenFile: token }]) {
      expect(code(() => readCredentials(readConfiguration({ folder, flags })))).toMatchObject({
        code: 'CONFIGURATION_INVALID',
        message: expect.stringContaining('needs a token and TLS'),
      })
    }
  })

  it('refuses a certificate and a key that are none', () => {
    const junk = join(folder, 'junk.pem')
    writeFileSync(junk, 'junk')
    const flags = { tls: { certFile: junk, keyFile: junk } }
    expect(code(() => readCredentials(readConfiguration({ folder, flags })))).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(/^configuration key "tls": /),
      hint: expect.stringContaining('--tls-cert'),
    })
  })

  it('refuses a token that can be guessed and files that are not there', () => {
    const token = join(folder, 'short')
    writeFileSync(token, 'short')
    expect(code(() => readCredentials(readConfiguration({ folder, flags: { tokenFile: token } })))).toMatchObject({
      message: expect.stringContaining('shorter than 16'),
    })
    expect(code(() => readCredentials(readConfiguration({ folder, flags: { tokenFile: 'none' } })))).toMatchObject({
      message: expect.stringContaining('"tokenFile"'),
    })
  })
})
