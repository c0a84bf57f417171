import type { ActionCost, Actuator, ExpectedQuery, Readiness } from '../../src/allocate/actions.js'
import type { NodeStatus } from '../../src/model/node.js'

/** An engine that has nothing but a record of what was asked of it: allocation is decided without one. */
export class FakeActuator implements Actuator {
  readonly calls: string[] = []
  ready = new Set<string>()
  nodesMax = 1
  working = false
  cost: ActionCost = { cpuMs: 100, wallMs: 300, heldBytes: 1_000_000 }
  failing = new Set<string>()
  /** Calls that come to no end of their own. */
  never = new Set<string>()
  /** What happens while it works on a call. */
  meanwhile: (call: string) => void = () => {}
  readinessOf: (query: ExpectedQuery) => Partial<Readiness> = () => ({})

  nodes(): readonly NodeStatus[] {
    return Array.from({ length: this.nodesMax }, (_, index) => ({
      id: `n${index + 1}`,
      kind: 'duckdb' as const,
      state: this.ready.has(`n${index + 1}`) ? ('ready' as const) : ('absent' as const),
      incarnation: 1,
      roles: [],
      cpuSeconds: 0,
      memoryBytes: 0,
      memoryLimitBytes: 1e9,
      warmBytes: 0,
      runningTasks: 0,
    }))
  }

  busy(): boolean {
    return this.working
  }

  async readiness(query: ExpectedQuery): Promise<Readiness> {
    return {
      fingerprint: query.sql,
      version: 'v1',
      answerStored: false,
      repeatable: true,
      datasets: ['orders'],
      segments: ['s-1'],
      bytes: 1e6,
      nodes: [{ node: 'n1', loadScore: 2 }],
      absentNodes: this.ready.has('n1') ? [] : [{ node: 'n1', memoryBytes: 1e9 }],
      missingPacks: [],
      coldPacks: [],
      coldMs: 400,
      warmMs: 100,
      storedMs: 2,
      cpuMs: 300,
      memoryBytes: 1e8,
      ...this.readinessOf(query),
    }
  }

  async startNode(node: string): Promise<ActionCost> {
    return this.#act(`start ${node}`, () => this.ready.add(node))
  }
  async stopNode(node: string): Promise<void> {
    await this.#act(`stop ${node}`, () => this.ready.delete(node))
  }
  async buildPack(pack: { dataset: string }): Promise<ActionCost> {
    return this.#act(`pack ${pack.dataset}`)
  }
  async warmPack(pack: string, node: string): Promise<ActionCost> {
    return this.#act(`warm ${pack} ${node}`)
  }
  async precompute(query: ExpectedQuery, signal: AbortSignal): Promise<ActionCost> {
    const call = `precompute ${query.sql}`
    const cost = await this.#act(call)
    if (!this.never.has(call)) return cost
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  }

  async #act(call: string, effect: () => void = () => {}): Promise<ActionCost> {
    this.calls.push(call)
    this.meanwhile(call)
    if (this.failing.has(call.split(' ')[0] ?? '')) throw new Error(`${call} failed`)
    effect()
    return this.cost
  }
}
