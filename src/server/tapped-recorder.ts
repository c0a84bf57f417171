import type { Recorder } from '../lineage/recorder.js'
import type { LineageEvent } from '../model/lineage-event.js'
import type { QueryStatus } from '../model/query.js'
import type { SegmentId } from '../model/segment.js'

/** Who wants to know what is recorded. */
export interface RecorderTap {
  /** Events that are durable now: each once, however often it took to record them. */
  recorded(events: readonly LineageEvent[]): void
  committed(micros: number): void
}

/** The recorder as the engine uses it: events are counted on their way. */
export class TappedRecorder {
  readonly #recorder: Recorder
  readonly #tap: RecorderTap

  constructor(recorder: Recorder, tap: RecorderTap) {
    this.#recorder = recorder
    this.#tap = tap
  }

  async record(events: readonly LineageEvent[]): Promise<void> {
    const began = performance.now()
    await this.#recorder.record(events)
    this.#tap.recorded(events)
    this.#tap.committed((performance.now() - began) * 1000)
  }

  saveQuery(status: QueryStatus): void {
    this.#recorder.saveQuery(status)
  }

  reconcile(existing: readonly SegmentId[]): Promise<number> {
    return this.#recorder.reconcile(existing)
  }

  put(key: string, json: string): Promise<void> {
    return this.#recorder.put(key, json)
  }

  get(key: string): Promise<string | undefined> {
    return this.#recorder.get(key)
  }
}

/** The recorder's documents as values; nothing is put as null, which forgets the key. */
export function jsonValues(recorder: Pick<Recorder, 'put' | 'get' | 'remove'>): {
  get(key: string): Promise<unknown>
  put(key: string, value: unknown): Promise<void>
} {
  return {
    get: async (key) => {
      const json = await recorder.get(key)
      return json === undefined ? undefined : JSON.parse(json)
    },
    put: async (key, value) => {
      if (value === undefined || value === null) await recorder.remove(key)
      else await recorder.put(key, JSON.stringify(value))
    },
  }
}
