import type { RunState } from './open-lineage-event.js'

/** Marquez's names of a run's states. */
export type RunStateName = 'NEW' | 'RUNNING' | 'COMPLETED' | 'ABORTED' | 'FAILED'

const names: Readonly<Record<RunState, RunStateName>> = {
  OTHER: 'NEW',
  START: 'RUNNING',
  RUNNING: 'RUNNING',
  ABORT: 'ABORTED',
  COMPLETE: 'COMPLETED',
  FAIL: 'FAILED',
}
/** An end is not undone by what comes late; of two ends the later one counts. */
const ranks: Readonly<Record<RunState, number>> = { OTHER: 0, START: 1, RUNNING: 1, ABORT: 2, COMPLETE: 2, FAIL: 2 }

/** What the states of runs that have ended begin with, and no smaller text. */
export const ended = '2'

/** What an event says of its run's state, as a text that is greater the more it counts. */
export function runStateOf(type: RunState | undefined, at: string): string {
  const state = type ?? 'OTHER'
  return `${ranks[state]} ${at} ${names[state]}`
}

/** The state that counts of two; the order does not matter. */
export function joinState(a: string, b: string): string {
  return a > b ? a : b
}

/** The state's name, and when the run ended if it did. */
export function readState(state: string): { readonly name: RunStateName; readonly ended?: string } {
  const [rank, at, name] = state.split(' ') as [string, string, RunStateName]
  return rank === ended ? { name, ended: at } : { name }
}
