/** One machine, pod or instance as its cloud tells of it. */
export interface Machine {
  readonly id: string
  readonly state: 'starting' | 'ready' | 'draining' | 'stopping' | 'lost'
  /** True where the cloud was told to keep it. */
  readonly protected?: boolean
}

/** A group as it is at this moment. */
export interface GroupView {
  /** How many machines the cloud was asked for. */
  readonly desired: number
  /** Those that exist, oldest first. */
  readonly machines: readonly Machine[]
  /** Why fewer than desired are there, in the cloud's own words, where it says so. */
  readonly reason?: string
}

/**
 * A set of machines whose number can be set: any scalable resource of Kubernetes, a scaling group of AWS. Calls are single attempts
 * that reject with a GroupError; whoever calls repeats them, so each may be made twice and its answer may be lost.
 */
export interface MachineGroup {
  /** For messages, e.g. `scaling group "workers"`. */
  readonly name: string
  observe(signal: AbortSignal): Promise<GroupView>
  /** Sets the number; the same number again changes nothing. */
  resize(count: number, signal: AbortSignal): Promise<void>
  /** Ends this very machine and lowers the number by one. Absent where the cloud chooses: then the last of `machines` goes. */
  remove?(machine: string, signal: AbortSignal): Promise<void>
  /** Keeps the cloud from ending machines that work, or allows it again. */
  protect?(machines: readonly string[], working: boolean, signal: AbortSignal): Promise<void>
  /** Keeps so many machines booted and stopped, to be started quickly. */
  prepare?(count: number, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** `throttled` and `transient` are worth another try; the others need a person. */
export type GroupFault = 'throttled' | 'transient' | 'denied' | 'missing' | 'invalid'

/** What a cloud answered, without anything of the request: no header, no credential. */
export class GroupError extends Error {
  readonly fault: GroupFault
  readonly retryAfterMs: number | undefined
  readonly hint: string | undefined

  constructor(fault: GroupFault, message: string, details: { readonly retryAfterMs?: number; readonly hint?: string } = {}) {
    super(message)
    this.name = 'GroupError'
    this.fault = fault
    this.retryAfterMs = details.retryAfterMs
    this.hint = details.hint
  }
}
