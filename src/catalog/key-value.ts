/** A durable map of small JSON values, kept by the recorder. What is lost of it costs time only. */
export interface KeyValue {
  /** Undefined (or null) where nothing was put. */
  get(key: string): Promise<unknown>
  put(key: string, value: unknown): Promise<void>
}

/** Forgets with the process; for tests and for a catalogue that need not start fast. */
export function memoryKeyValue(): KeyValue {
  const values = new Map<string, unknown>()
  return {
    get: async (key) => values.get(key),
    put: async (key, value) => {
      values.set(key, structuredClone(value))
    },
  }
}
