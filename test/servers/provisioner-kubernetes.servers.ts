/**
 * The provisioner on a real Kubernetes API: a custom resource with a true `scale` subresource. The server has no workloads, so the test
 * plays the controller that would make pods: it sets the resource's status after a while.
 */
import { CustomObjectsApi, KubeConfig, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GroupProvisioner } from '../../src/allocate/group/group-provisioner.js'
import { openKubernetesGroup, type ScalableResource } from '../../src/allocate/kubernetes/kubernetes-group.js'
import { systemClock } from '../../src/model/clock.js'
import { conformsAsProvisioner } from '../conformance/provisioner.js'
import { useServer } from './support.js'

const kubeconfig = useServer('kubernetes').urls['kubeconfig'] ?? ''
const resource: ScalableResource = {
  namespace: 'default',
  name: 'pool',
  group: 'test.forebay.dev',
  version: 'v1',
  plural: 'workers',
  readiness: 'readyReplicas',
}
const where = { group: resource.group, version: resource.version, namespace: resource.namespace, plural: resource.plural }
const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)
const config = new KubeConfig()
config.loadFromFile(kubeconfig)
const api = config.makeApiClient(CustomObjectsApi)
const definitions = { group: 'apiextensions.k8s.io', version: 'v1', plural: 'customresourcedefinitions' }
const cluster = { on: true, frozen: false }
let controller: Promise<unknown>

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface Pool {
  readonly spec: { readonly replicas: number }
  readonly status?: { readonly replicas?: number; readonly readyReplicas?: number }
}

const read = async (name = 'pool'): Promise<Pool> => (await api.getNamespacedCustomObject({ ...where, name })) as Pool
const setStatus = (status: object): Promise<unknown> =>
  api.patchNamespacedCustomObjectStatus({ ...where, name: 'pool', body: { status } }, merge)

/** Makes what is asked for, one step a turn: first the replica, then its readiness. */
async function control(): Promise<void> {
  while (cluster.on) {
    await pause(50)
    if (cluster.frozen) continue
    const { spec, status } = await read()
    const { replicas = 0, readyReplicas = 0 } = status ?? {}
    if (replicas !== spec.replicas)
      await setStatus({ replicas: spec.replicas, readyReplicas: Math.min(readyReplicas, spec.replicas) })
    else if (readyReplicas < replicas) await setStatus({ readyReplicas: readyReplicas + 1 })
  }
}

beforeAll(async () => {
  const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object', properties: { spec: schema, status: schema } } },
    subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
  }
  const names = { plural: 'workers', singular: 'worker', kind: 'Worker', listKind: 'WorkerList' }
  const body = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `workers.${resource.group}` },
    spec: { group: resource.group, scope: 'Namespaced', names, versions: [version] },
  }
  await api.createClusterCustomObject({ ...definitions, body }).catch((error: { code?: number }) => {
    if (error.code !== 409) throw error
  })
  const pool = { apiVersion: `${resource.group}/v1`, kind: 'Worker', metadata: { name: 'pool' }, spec: { replicas: 0 } }
  for (let tries = 0; ; tries++) {
    try {
      await api.deleteNamespacedCustomObject({ ...where, name: 'pool' }).catch(() => {})
      await api.createNamespacedCustomObject({ ...where, body: pool })
      break
    } catch (error) {
      if (tries > 50) throw error
      await pause(200)
    }
  }
  controller = control().catch((error: unknown) => error)
})
afterAll(async () => {
  cluster.on = false
  expect(await controller).toBeUndefined()
})

async function open(more: Partial<ScalableResource> = {}, bootMsMax = 20_000): Promise<GroupProvisioner> {
  return new GroupProvisioner({
    group: await openKubernetesGroup({ ...resource, ...more }, kubeconfig),
    nodesMax: 4,
    memoryBytes: 8e9,
    clock: systemClock,
    random: Math.random,
    mode: 'act',
    pollMs: 50,
    bootMsMax,
    retries: { attemptsMax: 3, firstDelayMs: 20 },
  })
}

conformsAsProvisioner('Kubernetes', {
  open: () => open(),
  timeoutMs: 60_000,
  // A pod that dies is one that is not ready any more.
  kill: () => setStatus({ readyReplicas: 0 }).then(() => {}),
  clear: async () => {
    await api.patchNamespacedCustomObjectScale({ ...where, name: 'pool', body: { spec: { replicas: 0 } } }, merge)
    while (((await read()).status?.replicas ?? 0) > 0) await pause(50)
  },
})

describe('a resource of Kubernetes', () => {
  const signal = (): AbortSignal => AbortSignal.timeout(60_000)

  it('names what is not there, and never a credential', async () => {
    const missing = await open({ plural: 'gadgets' })
    const error = await missing.start('n1', { memoryBytes: 1 }, signal()).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining('404') })
    expect(JSON.stringify(error)).not.toMatch(/BEGIN|certificate|authorization/i)
  })

  it('gives up pods that do not come, and asks for no more of them', async () => {
    const provisioner = await open({}, 5_000)
    cluster.frozen = true
    await expect(provisioner.start('n1', { memoryBytes: 1 }, signal())).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('0 of 1 machines'),
    })
    expect((await read()).spec.replicas).toBe(0)
    cluster.frozen = false
  })

  it('grows and shrinks with several at once, never beyond its maximum', async () => {
    const provisioner = await open()
    await Promise.all(['n1', 'n2', 'n3', 'n4'].map((node) => provisioner.start(node, { memoryBytes: 1 }, signal())))
    expect((await read()).status).toMatchObject({ replicas: 4, readyReplicas: 4 })
    await expect(provisioner.start('n5', { memoryBytes: 1 }, signal())).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await Promise.all(['n1', 'n3', 'n2', 'n4'].map((node) => provisioner.stop(node, signal())))
    expect((await read()).spec.replicas).toBe(0)
    expect(await provisioner.observe(signal())).toEqual([])
  })
})
