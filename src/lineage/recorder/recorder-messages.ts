import type { ErrorRecord } from '../../model/errors.js'
import type { Opening } from '../kept-thread.js'
import type { SetAsideEvent } from '../projection/graph-database.js'
import type { RecorderLimits, RecorderStats, StoreConfiguration } from '../recorder-port.js'

/** What the recorder's thread is started with. */
export interface RecorderThreadData {
  readonly folder: string
  readonly limits: RecorderLimits
  readonly stores: readonly StoreConfiguration[]
  /** Epoch milliseconds at the start, by the owner's clock. */
  readonly now: number
  /** Whether another thread of the same owner went before: its queries go on. */
  readonly again: boolean
}

/** One thing to make durable. Events travel as texts: cheaper to hand over than structured clones, and ready for the log. */
export type Write =
  | { readonly type: 'events'; readonly ids: readonly string[]; readonly bodies: readonly string[] }
  | { readonly type: 'query'; readonly row: QueryRow }
  | { readonly type: 'put'; readonly key: string; readonly json: string }
  | { readonly type: 'remove'; readonly key: string }
export type QueryRow = readonly [
  id: string,
  submittedAt: number,
  state: string,
  fingerprint: string | null,
  template: string | null,
  body: string,
]

export interface RecorderCalls {
  readonly get: { readonly arguments: readonly [key: string]; readonly value: string | undefined }
  readonly list: { readonly arguments: readonly [prefix: string]; readonly value: readonly (readonly [string, string])[] }
  readonly projected: { readonly arguments: readonly []; readonly value: undefined }
  readonly existing: { readonly arguments: readonly []; readonly value: readonly string[] }
  readonly checkpoint: {
    readonly arguments: readonly [olderThanMs?: number]
    readonly value: { readonly offset: number; readonly truncated: number }
  }
  readonly rebuild: { readonly arguments: readonly [store: string]; readonly value: import('../recorder-port.js').GraphReport }
  readonly stores: { readonly arguments: readonly []; readonly value: readonly import('../recorder-port.js').StoreState[] }
  readonly verify: { readonly arguments: readonly [store: string]; readonly value: import('../recorder-port.js').GraphReport }
  readonly close: { readonly arguments: readonly []; readonly value: undefined }
}
export type CallName = keyof RecorderCalls

export type ToRecorder =
  /** `last` is the number of the last write; writes are numbered from 1 without gaps. */
  | { readonly type: 'writes'; readonly last: number; readonly now: number; readonly writes: readonly Write[] }
  | { readonly type: 'call'; readonly request: number; readonly name: CallName; readonly arguments: readonly unknown[] }

export type FromRecorder =
  | Opening
  /** All writes up to a number are settled: on disk, or (with an error) those after the previous message are not. */
  | { readonly type: 'settled'; readonly upTo: number; readonly error?: ErrorRecord }
  | { readonly type: 'answer'; readonly request: number; readonly value?: unknown; readonly error?: ErrorRecord }
  | { readonly type: 'set-aside'; readonly event: SetAsideEvent }
  | { readonly type: 'failure'; readonly error: ErrorRecord }
  | { readonly type: 'progress'; readonly lag: Readonly<Record<string, number>>; readonly stats: RecorderStats }
