/**
 * Preloaded into a process under test: says every second, in a file named after the process and the thread, how many timers and other
 * resources keep it busy and how large its heap is.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'

const path = join(process.env.FOREBAY_RESOURCES_FOLDER, `${process.pid}-${threadId}.json`)
setInterval(() => {
  const resources = process.getActiveResourcesInfo()
  const timers = resources.filter((kind) => kind === 'Timeout').length
  // Under another name first: whoever reads it must not find half of it.
  writeFileSync(`${path}.tmp`, JSON.stringify({ timers, resources: resources.length, heapUsed: process.memoryUsage().heapUsed }))
  renameSync(`${path}.tmp`, path)
}, 1_000).unref()
