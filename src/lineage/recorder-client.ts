import type { Recorder, RecorderOptions } from './recorder.js'

/** Starts the recorder's thread. */
export function startRecorder(_options: RecorderOptions): Promise<Recorder> {
  return Promise.reject(new Error('not built yet'))
}
