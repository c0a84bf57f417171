import type { ErrorRecord } from '../../model/errors.js'
import type { Opening } from '../kept-thread.js'
import type { LogOffset } from '../lineage-store.js'
import type { RecorderLimits } from '../recorder-port.js'
import type { SetAsideEvent } from './graph-database.js'

/** What the graph's thread is started with. */
export interface GraphThreadData {
  /** The recorder's folder. */
  readonly folder: string
  readonly limits: RecorderLimits
  /** Epoch milliseconds at the start, by the owner's clock. */
  readonly now: number
}

export type GraphCallName = 'projected' | 'existing' | 'checkpoint' | 'rebuild' | 'verify' | 'close'

export type ToGraph =
  /** Events up to an offset are in the log. */
  | { readonly type: 'committed'; readonly next: LogOffset; readonly now: number }
  /** The log has grown by some commits: it may have to be truncated. */
  | { readonly type: 'upkeep' }
  | { readonly type: 'call'; readonly request: number; readonly name: GraphCallName; readonly arguments: readonly unknown[] }
export type FromGraph =
  | Opening
  /** Events before the offset are in the graph, but for some that it could not take. */
  | { readonly type: 'progress'; readonly offset: LogOffset; readonly setAside: number }
  /** Old events have left the log. */
  | { readonly type: 'truncated' }
  | { readonly type: 'set-aside'; readonly event: SetAsideEvent }
  /** Work that nobody waits for has failed; it is tried again. */
  | { readonly type: 'failure'; readonly error: ErrorRecord }
  | { readonly type: 'answer'; readonly request: number; readonly value?: unknown; readonly error?: ErrorRecord }
