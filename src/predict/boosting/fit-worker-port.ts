import { Worker } from 'node:worker_threads'
import { entryPoint } from '../../model/entry-point.js'
import { threadMemory } from '../../model/thread-memory.js'
import type { FitJob, FittedPanel } from './tree-panel.js'

/** Refits in a thread of its own, so that no prediction waits for one. */
export interface FitWorker {
  /** Rejects when the thread has ended; the caller goes on with what it has. */
  fit(job: FitJob): Promise<FittedPanel>
  close(): Promise<void>
}

interface Waiting {
  readonly resolve: (fitted: FittedPanel) => void
  readonly reject: (error: Error) => void
}

/** The thread starts with the first job: most servers see few queries in their first minutes, and it costs 10 MB. */
export function openFitWorker(): FitWorker {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let jobs = 0
  const fail = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
    worker = undefined
  }
  const start = (): Worker => {
    const started = new Worker(entryPoint('./fit-worker.js', import.meta.url), { resourceLimits: threadMemory })
    started.on('message', ({ number, fitted }: { number: number; fitted: FittedPanel }) => {
      waiting.get(number)?.resolve(fitted)
      waiting.delete(number)
    })
    started.on('error', fail)
    started.on('exit', () => {
      if (worker === started) fail(new Error('the fitting thread has ended'))
    })
    started.unref()
    return started
  }
  return {
    fit: (job) =>
      new Promise((resolve, reject) => {
        worker ??= start()
        waiting.set(jobs, { resolve, reject })
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        worker.postMessage({ number: jobs++, job })
      }),
    async close() {
      const running = worker
      fail(new Error('the fitting thread was closed'))
      await running?.terminate()
    },
  }
}
