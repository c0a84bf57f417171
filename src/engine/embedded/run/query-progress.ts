import type { ErrorRecord } from '../../../model/errors.js'
import type { QueryId, QueryRequest, QueryState, QueryStats, QueryStatus, StageStatus, TaskStatus } from '../../../model/query.js'
import type { Estimate, ResourceName, Resources } from '../../../model/resources.js'
import type { TaskProgress } from '../../../scheduler/run-task.js'

type Role = TaskStatus['role']
const roleOrder: readonly Role[] = ['leaf', 'aggregator', 'root']
/** Tasks named in a status; the stages count all. */
const tasksShownMax = 1_000

/** What is known of one query while it lives; `status()` is what the outside sees of it. */
export class QueryProgress {
  readonly queryId: QueryId
  readonly request: QueryRequest
  readonly submittedAt: number
  readonly #tasks = new Map<string, TaskStatus & { readonly level: number }>()
  /** Tasks that are expected by level, before they exist. */
  #expected: readonly { readonly role: Role; readonly tasks: number }[] = []
  state: QueryState = 'queued'
  template: string | undefined
  fingerprint: string | undefined
  startedAt: number | undefined
  finishedAt: number | undefined
  predicted: Readonly<Record<ResourceName, Estimate>> | undefined
  actual: (Resources & QueryStats) | undefined
  error: ErrorRecord | undefined
  /** Asked whenever a status is made; undefined when the query does not wait. */
  why: () => string | undefined = () => undefined

  constructor(queryId: QueryId, request: QueryRequest, submittedAt: number) {
    this.queryId = queryId
    this.request = request
    this.submittedAt = submittedAt
  }

  /** Levels of the tree, leaf side first, as they are expected now. */
  expect(stages: readonly { readonly role: Role; readonly tasks: number }[]): void {
    this.#expected = stages
  }

  /** A new try of the whole query begins. */
  restart(): void {
    this.#tasks.clear()
    this.#expected = []
  }

  note({ task, node, attempt, state, outcome }: TaskProgress): void {
    const { result, report } = outcome ?? {}
    const rows =
      result?.to === 'segment' ? result.stored.rows : result?.to === 'client' || result?.to === 'table' ? result.rows : undefined
    this.#tasks.set(task.taskId, {
      taskId: task.taskId,
      role: task.role,
      level: levelOf(task.taskId, task.role),
      node,
      state,
      attempt,
      ...(rows === undefined ? {} : { rows }),
      ...(report === undefined ? {} : { wallMs: report.wallMs }),
    })
  }

  get tasks(): number {
    return this.#tasks.size
  }

  status(): QueryStatus {
    const stages = this.#stages()
    const total = stages.reduce((sum, stage) => sum + stage.tasks, 0)
    const finished = stages.reduce((sum, stage) => sum + stage.finished, 0)
    const waitingFor = this.finishedAt === undefined ? this.why() : undefined
    return {
      queryId: this.queryId,
      sql: this.request.sql,
      state: this.state,
      priority: this.request.priority,
      tenant: this.request.tenant,
      submittedAt: this.submittedAt,
      progress: this.state === 'finished' ? 1 : total === 0 ? 0 : finished / total,
      stages,
      tasks: [...this.#tasks.values()].slice(0, tasksShownMax).map(({ level: _level, ...task }) => task),
      ...(this.template === undefined ? {} : { template: this.template }),
      ...(this.fingerprint === undefined ? {} : { fingerprint: this.fingerprint }),
      ...(this.startedAt === undefined ? {} : { startedAt: this.startedAt }),
      ...(this.finishedAt === undefined ? {} : { finishedAt: this.finishedAt }),
      ...(waitingFor === undefined ? {} : { waitingFor }),
      ...(this.predicted === undefined ? {} : { predicted: this.predicted }),
      ...(this.actual === undefined ? {} : { actual: this.actual }),
      ...(this.error === undefined ? {} : { error: this.error }),
    }
  }

  #stages(): readonly StageStatus[] {
    const stages = new Map<string, { role: Role; level: number; tasks: number; finished: number }>()
    for (const [level, { role, tasks }] of this.#expected.entries()) {
      if (tasks > 0) stages.set(`${role} ${role === 'aggregator' ? level : 0}`, { role, level, tasks, finished: 0 })
    }
    const seen = new Map<string, number>()
    for (const task of this.#tasks.values()) {
      const key = `${task.role} ${task.level}`
      const stage = stages.get(key) ?? { role: task.role, level: 0, tasks: 0, finished: 0 }
      stages.set(key, stage)
      seen.set(key, (seen.get(key) ?? 0) + 1)
      stage.tasks = Math.max(stage.tasks, seen.get(key) ?? 0)
      if (task.state === 'finished') stage.finished++
    }
    return [...stages.values()]
      .toSorted((a, b) => roleOrder.indexOf(a.role) - roleOrder.indexOf(b.role) || a.level - b.level)
      .map((stage, level) => ({ ...stage, level }))
  }
}

/** Levels of aggregators are told apart by their task ids, `…-a1-3` being the third of the first level. */
function levelOf(taskId: string, role: Role): number {
  return role === 'aggregator' ? Number(/-a(\d+)-\d+(?:-r\d+)?$/.exec(taskId)?.[1] ?? 1) : 0
}
