/**
 * Any resource of Kubernetes with a `scale` subresource, by group, version and plural. Its size is set through `scale`; how many of its
 * machines are ready is read from the resource. Machines have no names here but their ordinals, as a StatefulSet numbers its pods:
 * Kubernetes chooses which one goes, and of a StatefulSet it is the last.
 */
import type { CustomObjectsApi, KubeConfig } from '@kubernetes/client-node'
import { GroupError, type GroupView, type Machine, type MachineGroup } from '../group/machine-group.js'

/** Which resource. */
export interface ScalableResource {
  readonly namespace: string
  readonly name: string
  readonly group: string
  readonly version: string
  readonly plural: string
  /** What counts as ready: the pods that say so, or all that exist where the resource has no readiness. */
  readonly readiness: 'readyReplicas' | 'replicas'
}

type Client = typeof import('@kubernetes/client-node')
type Api = Pick<
  CustomObjectsApi,
  'getNamespacedCustomObject' | 'getNamespacedCustomObjectScale' | 'patchNamespacedCustomObjectScale'
>

/** Connects as `kubectl` would: the file of KUBECONFIG, `~/.kube/config`, or the service account of the pod that this runs in. */
export async function openKubernetesGroup(
  resource: ScalableResource,
  kubeconfig?: string,
  context?: string,
): Promise<MachineGroup> {
  const client = await import('@kubernetes/client-node')
  const config: KubeConfig = new client.KubeConfig()
  if (kubeconfig === undefined) config.loadFromDefault()
  else config.loadFromFile(kubeconfig)
  if (context !== undefined) config.setCurrentContext(context)
  return new KubernetesGroup(resource, config.makeApiClient(client.CustomObjectsApi), client)
}

class KubernetesGroup implements MachineGroup {
  readonly name: string
  readonly #resource: ScalableResource
  readonly #api: Api
  readonly #client: Client

  constructor(resource: ScalableResource, api: Api, client: Client) {
    this.name = `${resource.plural} "${resource.name}" of namespace "${resource.namespace}"`
    this.#resource = resource
    this.#api = api
    this.#client = client
  }

  async observe(signal: AbortSignal): Promise<GroupView> {
    const options = this.#options(signal)
    const [scale, object] = await Promise.all([
      this.#ask('get', '/scale', () => this.#api.getNamespacedCustomObjectScale(this.#where, options)),
      this.#ask('get', '', () => this.#api.getNamespacedCustomObject(this.#where, options)),
    ])
    const desired = countOf(scale, 'spec', 'replicas')
    const existing = countOf(scale, 'status', 'replicas')
    const ready = this.#resource.readiness === 'replicas' ? existing : countOf(object, 'status', 'readyReplicas')
    const reason = reasonOf(object)
    return { desired, machines: machinesOf(desired, existing, ready), ...(reason === undefined ? {} : { reason }) }
  }

  async resize(count: number, signal: AbortSignal): Promise<void> {
    const options = this.#options(signal)
    await this.#ask('patch', '/scale', () =>
      this.#api.patchNamespacedCustomObjectScale({ ...this.#where, body: { spec: { replicas: count } } }, options),
    )
  }

  async close(): Promise<void> {}

  get #where() {
    const { group, version, namespace, plural, name } = this.#resource
    return { group, version, namespace, plural, name }
  }

  /** The client sends JSON patches unless it is told otherwise, and takes a signal only in the request that it is about to send. */
  #options(signal: AbortSignal) {
    const { setHeaderOptions, PatchStrategy } = this.#client
    const options = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)
    const middleware = (options.middleware ?? []).map((each) => ({
      ...each,
      pre: (request: Parameters<typeof each.pre>[0]) => {
        request.setSignal(signal)
        return each.pre(request)
      },
    }))
    return { ...options, middleware }
  }

  async #ask(verb: string, part: string, call: () => Promise<unknown>): Promise<unknown> {
    try {
      return await call()
    } catch (error) {
      throw this.#faultOf(error, verb, part)
    }
  }

  /** Only the status and the server's own message: an error of the client also holds headers. */
  #faultOf(error: unknown, verb: string, part: string): GroupError {
    const { group, plural, namespace } = this.#resource
    const { code, body, headers } = error as { code?: unknown; body?: unknown; headers?: Record<string, string> }
    if (typeof code !== 'number') return new GroupError('transient', `Kubernetes does not answer: ${systemCode(error)}`)
    const message = `Kubernetes answered ${code}: ${messageOf(body)}`
    const right = `${verb} on ${plural}${part}${group === '' ? '' : ` of ${group}`} in namespace "${namespace}"`
    if (code === 401) {
      return new GroupError('denied', message, {
        hint: 'the credentials of the kubeconfig or service account are not taken: renew them',
      })
    }
    if (code === 403)
      return new GroupError('denied', message, { hint: `allow ${right}: deploy/kubernetes/rbac.yaml has the role` })
    if (code === 404)
      return new GroupError('missing', message, { hint: `there is no such resource, or it has no scale subresource` })
    const seconds = Number(headers?.['retry-after'])
    const wait = Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}
    if (code === 429) return new GroupError('throttled', message, wait)
    // A conflict is a change of somebody else: the same number is set again on what is there now.
    if (code === 409 || code >= 500) return new GroupError('transient', message, wait)
    return new GroupError('invalid', message)
  }
}

/** Ready ones are the first: pods of a StatefulSet come and go in the order of their numbers. */
function machinesOf(desired: number, existing: number, ready: number): Machine[] {
  return Array.from({ length: existing }, (_, ordinal) => {
    const state = ordinal >= desired ? 'stopping' : ordinal < ready ? 'ready' : 'starting'
    return { id: String(ordinal), state }
  })
}

function countOf(object: unknown, part: 'spec' | 'status', field: string): number {
  const value = (object as Record<string, Record<string, unknown> | undefined>)[part]?.[field]
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
}

/** The message of a condition that does not hold, e.g. a Deployment's `ReplicaFailure`. */
function reasonOf(object: unknown): string | undefined {
  const { conditions } = (object as { status?: { conditions?: unknown } }).status ?? {}
  if (!Array.isArray(conditions)) return undefined
  const failed = (conditions as { type?: string; status?: string; message?: string }[]).find(
    ({ type, status }) => (type === 'ReplicaFailure' && status === 'True') || (type === 'Available' && status === 'False'),
  )
  return failed?.message
}

function messageOf(body: unknown): string {
  try {
    const parsed: unknown = typeof body === 'string' ? JSON.parse(body) : body
    const { message } = parsed as { message?: unknown }
    return typeof message === 'string' ? message.slice(0, 300) : 'no message'
  } catch {
    return 'no message'
  }
}

function systemCode(error: unknown): string {
  const { code, name, type } = error as { code?: unknown; name?: unknown; type?: unknown }
  return [code, type, name].find((each) => typeof each === 'string') ?? 'unknown error'
}
