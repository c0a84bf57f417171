import type { ErrorRecord } from '../../model/errors.js'
import type { LogOffset } from '../lineage-store.js'
import type { StoreConfiguration } from '../recorder-port.js'

/** What a store's thread is started with. */
export interface StoreThreadData {
  /** The recorder's folder. */
  readonly folder: string
  readonly store: StoreConfiguration
}

export type StoreCallName = 'rebuild' | 'verify' | 'close'
export type ToStore =
  | { readonly type: 'wake' }
  | { readonly type: 'call'; readonly request: number; readonly name: StoreCallName }
export type FromStore =
  | { readonly type: 'offset'; readonly offset: LogOffset }
  /** The store works again, or why it does not. */
  | { readonly type: 'state'; readonly failure?: string }
  | { readonly type: 'answer'; readonly request: number; readonly value?: unknown; readonly error?: ErrorRecord }
