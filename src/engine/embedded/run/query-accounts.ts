import type { TaskReport } from '../../../model/messages.js'
import type { NodeId, Role } from '../../../model/node.js'
import type { Plan, QueryStats } from '../../../model/query.js'
import type { Resources } from '../../../model/resources.js'
import type { NodeActual } from '../../../predict/prediction.js'
import type { TaskProgress } from '../../../scheduler/run-task.js'

type Tiers = Record<keyof QueryStats['tiers'], number>

/** Adds up what a query's tasks cost. Times are of the machine's clock. */
export class QueryAccounts {
  readonly #startedAt = performance.now()
  readonly #nodes = new Map<string, NodeActual>()
  readonly #tiers: Tiers = { pack: 0, parquet: 0, remote: 0, reused: 0 }
  #cpuMs = 0
  #memoryBytes = 0
  #networkBytes = 0
  #tasks = 0
  planMs = 0
  plannedAt: number | undefined
  dispatchedAt: number | undefined
  levels = 0
  segmentsRead = 0
  segmentsPruned = 0
  reused = false

  planned(plan: Plan): void {
    this.planMs = performance.now() - this.#startedAt
    this.plannedAt = performance.now()
    this.segmentsRead = plan.reads.reduce((sum, read) => sum + read.segments.length, 0)
    this.segmentsPruned = plan.reads.reduce((sum, read) => sum + read.segmentsTotal - read.segments.length, 0)
  }

  note({ task, node, outcome }: TaskProgress): void {
    if (outcome === undefined) return
    const { report } = outcome
    this.#tasks += 1
    this.#cpuMs += report.cpuMs
    this.#memoryBytes = Math.max(this.#memoryBytes, report.peakMemoryBytes)
    this.#networkBytes += report.bytesMoved
    for (const tier of ['pack', 'parquet', 'remote', 'reused'] as const) this.#tiers[tier] += report.tiers[tier]
    this.#addNode(node, task.role, report.cpuMs, report.peakMemoryBytes, report.bytesMoved)
  }

  /** The root's answer has been streamed: this is what it took in all, the outcome told only what it took until then. */
  streamed(node: NodeId, report: TaskReport): void {
    const root = this.#nodes.get(`${node} root`)
    const more = Math.max(0, report.cpuMs - (root?.cpuMs ?? 0))
    this.#cpuMs += more
    this.#memoryBytes = Math.max(this.#memoryBytes, report.peakMemoryBytes)
    this.#addNode(node, 'root', more, report.peakMemoryBytes, 0)
  }

  /** An answer was found in memory. */
  found(): void {
    this.reused = true
    this.#tiers.reused += 1
  }

  nodes(): readonly NodeActual[] {
    return [...this.#nodes.values()]
  }

  /** Milliseconds since the first task went out. */
  wallMs(): number {
    return performance.now() - (this.dispatchedAt ?? performance.now())
  }

  cpuMs(): number {
    return this.#cpuMs
  }

  actual(rows: number, bytes: number): Resources & QueryStats {
    const now = performance.now()
    const dispatchedAt = this.dispatchedAt ?? now
    return {
      cpuMs: this.#cpuMs,
      memoryBytes: this.#memoryBytes,
      networkBytes: this.#networkBytes,
      wallMs: now - dispatchedAt,
      rows,
      bytes,
      planMs: this.planMs,
      queuedMs: dispatchedAt - (this.plannedAt ?? dispatchedAt),
      runMs: now - dispatchedAt,
      totalMs: now - this.#startedAt,
      tasks: this.#tasks,
      levels: this.levels,
      segmentsRead: this.segmentsRead,
      segmentsPruned: this.segmentsPruned,
      tiers: { ...this.#tiers },
      reused: this.reused,
    }
  }

  #addNode(node: NodeId, role: Role, cpuMs: number, memoryBytes: number, networkBytes: number): void {
    const key = `${node} ${role}`
    const known = this.#nodes.get(key)
    this.#nodes.set(key, {
      node,
      role,
      cpuMs: (known?.cpuMs ?? 0) + cpuMs,
      memoryBytes: Math.max(known?.memoryBytes ?? 0, memoryBytes),
      networkBytes: (known?.networkBytes ?? 0) + networkBytes,
    })
  }
}
