import type { LineageReader, ReaderOptions } from './lineage-reader.js'

/** Starts the reader's thread. */
export function startReader(_options: ReaderOptions): Promise<LineageReader> {
  return Promise.reject(new Error('not built yet'))
}
