/** Worker thread that refits tree panels: a job in, a fitted panel out. Compiled from dist/, see model/entry-point.ts. */
import { parentPort } from 'node:worker_threads'
import { type FitJob, fitPanel } from './tree-panel.js'

parentPort?.on('message', ({ number, job }: { readonly number: number; readonly job: FitJob }) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage({ number, fitted: fitPanel(job) })
})
