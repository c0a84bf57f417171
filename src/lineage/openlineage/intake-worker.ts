import { Worker } from 'node:worker_threads'
import { entryPoint } from '../../model/entry-point.js'
import { ForebayError, fromErrorRecord } from '../../model/errors.js'
import { threadMemory } from '../../model/thread-memory.js'
import { type Intake, takeIn } from './intake.js'
import type { FromIntake, ToIntake } from './intake-messages.js'
import { type Encoding, unpack } from './unpack.js'

/** A body up to this size is read where it arrived: a few hundred microseconds, less than a thread costs. */
const hereMax = 64 << 10
/** Bytes of bodies that the thread may have before it; more are refused with QUEUE_FULL. */
const waitingBytesMax = 128 << 20

interface Waiting {
  readonly bytes: number
  readonly resolve: (intake: Intake) => void
  readonly reject: (error: Error) => void
}

/** Reads bodies: small ones at once, large ones in a thread of its own, so that the event loop stays free. */
export class IntakeWorker {
  readonly #bytesMax: number
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #waitingBytes = 0
  #request = 0
  #closed = false

  /** `bytesMax`: the most that a packed body may become. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Reads one body. Rejects with REQUEST_INVALID, REQUEST_TOO_LARGE, QUEUE_FULL or UNAVAILABLE. */
  async read(bytes: Uint8Array, encoding: Encoding): Promise<Intake> {
    const packed = encoding !== '' && encoding !== 'identity'
    // A packed body may become a thousand times as long.
    if (bytes.byteLength <= (packed ? hereMax / 16 : hereMax)) return takeIn(unpack(bytes, encoding, this.#bytesMax))
    if (this.#closed) throw new ForebayError('UNAVAILABLE', 'the server stops')
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes.byteLength > waitingBytesMax) {
      throw new ForebayError('QUEUE_FULL', `${this.#waitingBytes} bytes of events wait to be read already`)
    }
    const request = ++this.#request
    const message: ToIntake = { request, bytes, encoding, bytesMax: this.#bytesMax }
    return new Promise((resolve, reject) => {
      this.#waiting.set(request, { bytes: bytes.byteLength, resolve, reject })
      this.#waitingBytes += bytes.byteLength
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      this.#started().postMessage(message)
    })
  }

  /** Ends the thread; bodies that wait are refused. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#worker?.terminate()
  }

  /** The thread starts with the first large body, and again after a death: it holds nothing that must survive. */
  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const url = entryPoint('./intake-thread.js', import.meta.url)
    const worker = new Worker(url, { name: 'lineage-intake', execArgv: [], resourceLimits: threadMemory })
    this.#worker = worker
    worker.on('message', (message: FromIntake) => this.#receive(message))
    const ended = (error: Error): void => {
      if (this.#worker === worker) this.#worker = undefined
      for (const request of this.#waiting.keys()) this.#settle(request)?.reject(error)
    }
    worker.on('error', (cause) => ended(new ForebayError('UNAVAILABLE', `the intake has failed: ${cause.message}`, { cause })))
    worker.on('exit', () => ended(new ForebayError('UNAVAILABLE', 'the intake has ended')))
    worker.unref()
    return worker
  }

  #receive(message: FromIntake): void {
    const waiting = this.#settle(message.request)
    if (message.error === undefined) waiting?.resolve(message.intake)
    else waiting?.reject(fromErrorRecord(message.error))
  }

  #settle(request: number): Waiting | undefined {
    const waiting = this.#waiting.get(request)
    if (waiting === undefined) return undefined
    this.#waiting.delete(request)
    this.#waitingBytes -= waiting.bytes
    return waiting
  }
}
