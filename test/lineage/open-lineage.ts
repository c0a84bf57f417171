import { onTestFinished } from 'vitest'
import { type LineageReader, openLineageReader } from '../../src/lineage/lineage-reader.js'
import { openRecorder, type Recorder, type RecorderOptions } from '../../src/lineage/recorder.js'
import { temporaryFolder } from './lineage-fixtures.js'

/** A recorder that closes with the test. */
export async function openTestRecorder(options: Partial<RecorderOptions> = {}): Promise<Recorder & { readonly folder: string }> {
  const folder = options.folder ?? temporaryFolder()
  const recorder = await openRecorder({ ...options, folder })
  onTestFinished(() => recorder.close().catch(() => {}))
  return Object.assign(recorder, { folder })
}

/** A reader that closes with the test. */
export async function openTestReader(folder: string): Promise<LineageReader> {
  const reader = await openLineageReader({ folder })
  onTestFinished(() => reader.close())
  return reader
}
