import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeConfiguration } from '../model/messages.js'
import type { InstanceLimits } from './lock-down.js'

/** Resident memory of a node process that does nothing: Node, DuckDB's library, two empty instances (measured: 105–115 MB). */
const idleProcessBytes = 110 * (1 << 20)
const instanceBytesMin = 48 * (1 << 20)
const processBytesMin = 256 * (1 << 20)

/** Resident memory at which the process stops tasks, then itself. */
export function processLimitBytes(configuration: NodeConfiguration): number {
  return Math.max(configuration.memoryBytes, processBytesMin)
}

/**
 * What an instance may use. Each class gets nearly all of the node's memory, since they seldom work at the same time: when memory
 * becomes tight, the memory watch empties the one that does nothing.
 */
export function instanceLimits(configuration: NodeConfiguration, threads: 'one' | 'all'): InstanceLimits {
  const temp = join(configuration.folder, 'temp', threads)
  rmSync(temp, { recursive: true, force: true })
  mkdirSync(temp, { recursive: true })
  const folders = [configuration.folder, ...configuration.readableFolders, ...configuration.writableFolders]
  return {
    threads: threads === 'one' ? 1 : configuration.threads,
    memoryBytes: Math.max(instanceBytesMin, 0.85 * (processLimitBytes(configuration) - idleProcessBytes)),
    tempFolder: temp,
    tempBytesMax: configuration.tempBytesMax / 2,
    folders,
  }
}
