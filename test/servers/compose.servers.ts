import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'

/** Compose's own reader of such files; its schema comes with it. */
const reader = 'github.com/compose-spec/compose-go/v2@v2.9.0'

interface ComposeFile {
  readonly services: Readonly<Record<string, { readonly ports?: readonly string[]; readonly image: string }>>
}
const file = parse(readFileSync('docker-compose.yml', 'utf8')) as ComposeFile
let objections: (compose: unknown) => readonly unknown[]

beforeAll(() => {
  const downloaded = execFileSync('go', ['mod', 'download', '-json', reader], { encoding: 'utf8' })
  const { Dir } = JSON.parse(downloaded) as { readonly Dir: string }
  // It names its draft by an address that is not the draft's own.
  const { $schema: _, ...schema } = JSON.parse(readFileSync(join(Dir, 'schema', 'compose-spec.json'), 'utf8'))
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema)
  objections = (compose) => (validate(compose) ? [] : (validate.errors ?? []))
})

describe('docker-compose.yml', () => {
  it('is what the schema of Compose allows', () => {
    expect(objections(file)).toEqual([])
    expect(objections({ ...file, services: { ...file.services, kafka: { ...file.services['kafka'], port: [] } } })).not.toEqual(
      [],
    )
  })

  it('offers the stores, the brokers and what watches them, on loopback only', () => {
    const names = Object.keys(file.services)
    expect(names).toEqual(expect.arrayContaining(['neo4j', 'janusgraph', 'rabbitmq', 'kafka', 'prometheus', 'grafana']))
    for (const [name, { ports = [] }] of Object.entries(file.services)) {
      for (const port of ports) expect([name, port]).toEqual([name, expect.stringMatching(/^127\.0\.0\.1:/)])
    }
  })
})
