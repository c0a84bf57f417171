import { expect, it } from 'vitest'
import { parseProvisioner, refusalOfEmbedded } from '../../src/allocate/provisioner-url.js'

it('reads which resource of Kubernetes, a StatefulSet where nothing is said', () => {
  expect(parseProvisioner('kubernetes://trino/workers?max=10')).toEqual({
    kind: 'kubernetes',
    resource: {
      namespace: 'trino',
      name: 'workers',
      group: 'apps',
      version: 'v1',
      plural: 'statefulsets',
      readiness: 'readyReplicas',
    },
    nodesMax: 10,
    memoryBytes: 8e9,
    mode: 'act',
    bootMsMax: 900_000,
  })
  const url = 'kubernetes://ns/pool?group=a.b&version=v2&plural=pools&readiness=replicas&max=3&memory=2GB&mode=forecast-only'
  expect(parseProvisioner(url)).toMatchObject({
    resource: { group: 'a.b', version: 'v2', plural: 'pools', readiness: 'replicas' },
    memoryBytes: 2e9,
    mode: 'forecast-only',
  })
})

it('reads which group of AWS', () => {
  expect(parseProvisioner('aws://eu-central-1/workers?max=4&warmPool=Stopped&bootTimeout=5m')).toMatchObject({
    kind: 'aws',
    group: { groupName: 'workers', region: 'eu-central-1', warmPool: 'Stopped' },
    nodesMax: 4,
    bootMsMax: 300_000,
  })
})

it('says what is wrong', () => {
  const wrong: [string, string][] = [
    ['docker', '"docker" is none'],
    ['aws://eu-central-1/workers', 'max is missing'],
    ['aws://eu-central-1?max=1', 'is not complete'],
    ['aws://key:secret@eu-central-1/workers?max=1', 'credentials do not belong here'],
    ['aws://eu-central-1/workers?max=1&maximum=2', '"maximum" is not known'],
    ['kubernetes://ns/pool?max=1&mode=dry', '"dry" is not known'],
    ['kubernetes://ns/pool?max=1.5', 'max: "1.5" is no whole number from 1 to 10000'],
    ['kubernetes://ns/pool?max=20000', 'max: "20000" is no whole number'],
    ['aws://eu-central-1/50%?max=1', 'is not complete'],
    ['aws://r/g?max=1&endpoint=moto', 'endpoint is no address'],
    ['aws://r/g?max=1&endpoint=http://key:secret@moto', 'credentials do not belong here'],
    ['asw://key:secret@r/g?max=1', '"asw://…@r/g?max=1" is none'],
    ['aws://key:half/secret@r/g?max=1', '"aws://…@r/g?max=1" is none'],
    ['aws://key/secret@r/g?max=1', 'aws://…@r/g is not complete'],
    ['key:secret@r/g', '"…@r/g" is none'],
  ]
  for (const [text, message] of wrong) {
    expect(() => parseProvisioner(text)).toThrow(message)
    expect(() => parseProvisioner(text)).not.toThrow('secret')
  }
})

it('refuses a cloud for the embedded engine with a sentence that says why', () => {
  expect(refusalOfEmbedded(parseProvisioner('processes'))).toBeUndefined()
  expect(refusalOfEmbedded(parseProvisioner('aws://r/g?max=1'))).toMatchObject({
    code: 'CONFIGURATION_INVALID',
    message: expect.stringContaining('processes of this machine'),
  })
})
