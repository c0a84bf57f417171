import type { ErrorRecord } from '../../model/errors.js'
import type { Intake } from './intake.js'
import type { Encoding } from './unpack.js'

export interface ToIntake {
  readonly request: number
  readonly bytes: Uint8Array
  readonly encoding: Encoding
  readonly bytesMax: number
}

export type FromIntake =
  | { readonly request: number; readonly intake: Intake; readonly error?: undefined }
  | { readonly request: number; readonly error: ErrorRecord }
