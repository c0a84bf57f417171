import { createHash } from 'node:crypto'
import type { Recorder } from '../lineage/recorder.js'
import type { Clock } from '../model/clock.js'

/** Something that learns and whose learning survives a restart. */
export interface KeptModel {
  snapshot(): unknown
  /** Takes up a snapshot; leaves alone what it does not understand. */
  restore(kept: unknown): void
}

export interface ModelKeeperOptions {
  readonly recorder: Pick<Recorder, 'put' | 'get'>
  readonly onError: (error: unknown) => void
  readonly clock: Clock
}

/** From one save to the next, for each megabyte that the last one printed: 6 MB hold the event loop up for 60 ms. */
const restMsPerMegabyte = 30_000
const restMsMin = 30_000

/** Saves what models have learned now and then and at the end, and gives it back at the start. What is lost of it costs time only. */
export class ModelKeeper {
  readonly #options: ModelKeeperOptions
  readonly #models = new Map<string, KeptModel>()
  /** A digest of what was saved last, by name: the text itself is megabytes. */
  readonly #saved = new Map<string, string>()
  readonly #stopped = new AbortController()
  #service: Promise<void> = Promise.resolve()

  constructor(options: ModelKeeperOptions) {
    this.#options = options
  }

  add(name: string, model: KeptModel): void {
    this.#models.set(name, model)
  }

  async restore(): Promise<void> {
    await Promise.all(
      [...this.#models].map(async ([name, model]) => {
        try {
          const json = await this.#options.recorder.get(`model/${name}`)
          if (json !== undefined) model.restore(JSON.parse(json))
        } catch (error) {
          this.#options.onError(error)
        }
      }),
    )
  }

  start(): void {
    this.#service = this.#serve()
  }

  /** Saves what has changed. Resolves with the characters that were printed to find that out. */
  async save(): Promise<number> {
    let printed = 0
    for (const [name, model] of this.#models) {
      try {
        const json = JSON.stringify(model.snapshot())
        printed += json.length
        const digest = digestOf(json)
        if (digest === this.#saved.get(name)) continue
        await this.#options.recorder.put(`model/${name}`, json)
        this.#saved.set(name, digest)
      } catch (error) {
        this.#options.onError(error)
      }
    }
    return printed
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#service
    await this.save()
  }

  async #serve(): Promise<void> {
    let restMs = restMsMin
    while (await this.#slept(restMs)) restMs = Math.max(restMsMin, ((await this.save()) / 1e6) * restMsPerMegabyte)
  }

  /** False when it stops. */
  #slept(ms: number): Promise<boolean> {
    return this.#options.clock.sleep(ms, this.#stopped.signal).then(
      () => true,
      () => false,
    )
  }
}

const pieceLength = 65_536

/** Piece by piece: for a text as a whole Node takes three bytes a character, and the allocator then keeps pieces so large for itself. */
function digestOf(text: string): string {
  const hash = createHash('sha256')
  for (let at = 0; at < text.length; at += pieceLength) hash.update(text.slice(at, at + pieceLength))
  return hash.digest('base64')
}
