import type { ResourceLimits } from 'node:worker_threads'

/**
 * What a thread may have for objects that die young: an eighth of what Node allows, to which each thread grows in time. With 16 MB
 * the threads of a server took 25 MB more after 6,000 queries, and no less CPU that could be told from chance.
 */
export const threadMemory: ResourceLimits = { maxYoungGenerationSizeMb: 6 }

/**
 * The same for the thread of the graph, which holds what some hundred events say until they are written together: with less room most
 * of it was copied twice and taken for old. With 16 MB an event of OpenLineage in a batch took 0.92 of the CPU, and 24 gave no more.
 */
export const graphThreadMemory: ResourceLimits = { maxYoungGenerationSizeMb: 16 }
