import type { QueueStatus } from '../queue/task-queue.js'

export interface Check {
  readonly name: 'query' | 'log' | 'disk' | 'queue'
  readonly ok: boolean
  readonly detail?: string
}

export interface HealthOptions {
  /** Resolves when the lineage log took a write; rejects otherwise. */
  readonly writeLog: () => Promise<void>
  readonly freeBytes: () => number
  readonly freeBytesMin: number
  readonly queueStatus: () => QueueStatus
  /** Resolves when a planner answers. */
  readonly probePlanner: () => Promise<void>
}

/** A check's verdict is kept for a moment, so that many probes cost one. */
const keptMs = 1_000
const timeoutMs = 2_000

/** Whether the server can do its work, asked anew at most once a second. */
export class Health {
  readonly #options: HealthOptions
  #last: { readonly at: number; readonly checks: Promise<readonly Check[]> } | undefined
  /** Set when a query was run through a node at start. */
  probed = false
  stopping = false

  constructor(options: HealthOptions) {
    this.#options = options
  }

  async checks(): Promise<readonly Check[]> {
    const now = performance.now()
    if (this.#last === undefined || now - this.#last.at > keptMs) this.#last = { at: now, checks: this.#run() }
    return this.#last.checks
  }

  async #run(): Promise<readonly Check[]> {
    const { writeLog, probePlanner, freeBytes, freeBytesMin, queueStatus } = this.#options
    return Promise.all([
      verdict('query', async () => {
        if (this.stopping) throw new Error('the server is stopping')
        if (!this.probed) throw new Error('the first node has not answered yet')
        await probePlanner()
      }),
      verdict('log', writeLog),
      verdict('disk', async () => {
        const free = freeBytes()
        if (free < freeBytesMin) throw new Error(`${free} bytes are free, ${freeBytesMin} are needed`)
      }),
      verdict('queue', async () => {
        const { kind, connected, detail = 'not connected' } = queueStatus()
        if (!connected) throw new Error(`${kind}: ${detail}`)
      }),
    ])
  }
}

async function verdict(name: Check['name'], check: () => Promise<void>): Promise<Check> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    await Promise.race([check(), late])
    return { name, ok: true }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) }
  } finally {
    clearTimeout(timer)
  }
}
