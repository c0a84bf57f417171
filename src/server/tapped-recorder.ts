import type { Recorder } from '../lineage/recorder.js'
import type { LineageEvent } from '../model/lineage-event.js'
import type { QueryStatus } from '../model/query.js'

/** Who wants to know what is recorded. */
export interface RecorderTap {
  recorded(events: readonly LineageEvent[]): void
  committed(micros: number): void
}

/** The recorder as the engine and the catalogue use it: values instead of JSON texts, and events counted on their way. */
export class TappedRecorder {
  readonly #recorder: Recorder
  readonly #tap: RecorderTap

  constructor(recorder: Recorder, tap: RecorderTap) {
    this.#recorder = recorder
    this.#tap = tap
  }

  async record(events: readonly LineageEvent[]): Promise<void> {
    const began = performance.now()
    this.#tap.recorded(events)
    await this.#recorder.record(events)
    this.#tap.committed((performance.now() - began) * 1000)
  }

  saveQuery(status: QueryStatus): void {
    this.#recorder.saveQuery(status)
  }

  async put(key: string, value: unknown): Promise<void> {
    if (value === undefined || value === null) await this.#recorder.remove(key)
    else await this.#recorder.put(key, JSON.stringify(value))
  }

  async get(key: string): Promise<unknown> {
    const json = await this.#recorder.get(key)
    return json === undefined ? undefined : JSON.parse(json)
  }
}
