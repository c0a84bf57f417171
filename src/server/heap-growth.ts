import { setFlagsFromString } from 'node:v8'

/**
 * By how many percent of what is live V8 lets the old objects of each thread grow before it collects them. By itself it goes up to
 * four times of that, and hardly gives anything back as long as queries come.
 */
const heapGrowthPercent = 40

/**
 * Bounds the garbage that this process holds, for all threads that it has and will have. For who serves and is a process of its own: it
 * costs more collections, which the server can afford since little of what a query leaves outlives the young objects.
 */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`)
}
