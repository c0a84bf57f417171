/** The coordinator's connection to a broker: its queues' names, the run's name, and where it stopped reading. */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NodeId } from '../../model/node.js'
import { writeWhole } from '../../model/whole-file.js'
import { openBroker } from '../open-broker.js'
import { parseQueueUrl } from '../queue-url.js'
import type { Broker } from './broker.js'
import { declaredStreams } from './declared-streams.js'

export interface BrokeredQueue {
  readonly broker: Broker
  readonly url: string
  readonly prefix: string
  /** Names this run of the coordinator. */
  readonly run: string
  close(): Promise<void>
}

export interface BrokeredQueueOptions {
  readonly url: string
  readonly nodes: readonly NodeId[]
  /** Keeps the name of the queues, so that no two coordinators share them by accident, and positions. */
  readonly folder: string
  readonly onError: (error: unknown) => void
}

const positionsEveryMs = 1_000

/** Connects and declares; rejects with an error that names the broker, the queue or the option that is in the way. */
export async function openBrokeredQueue(options: BrokeredQueueOptions, signal: AbortSignal): Promise<BrokeredQueue> {
  const { url, nodes, folder, onError } = options
  const address = parseQueueUrl(url)
  await mkdir(folder, { recursive: true })
  const prefix = address.prefix ?? (await keptName(folder))
  const positions = await PositionFile.open(join(folder, 'positions.json'), onError)
  const broker = await openBroker(address, signal, {
    positions: positions.read(prefix),
    keepPosition: (stream, next) => positions.keep(stream, next),
  })
  try {
    await broker.declare(declaredStreams(prefix, nodes))
  } catch (error) {
    await broker.close()
    throw error
  }
  const close = async (): Promise<void> => {
    await broker.close()
    await positions.close()
  }
  return { broker, url, prefix, run: randomBytes(8).toString('hex'), close }
}

async function keptName(folder: string): Promise<string> {
  const file = join(folder, 'name')
  const kept = await readFile(file, 'utf8').catch(() => '')
  if (/^[\w.-]+$/.test(kept)) return kept
  const name = `forebay-${randomBytes(4).toString('hex')}`
  await writeWhole(file, name)
  return name
}

/**
 * How far the lineage stream was read, for a broker that does not know that itself. Behind is harmless, since events are recorded
 * once however often they are read; so it is written now and then, and without fsync.
 */
class PositionFile {
  readonly #path: string
  readonly #onError: (error: unknown) => void
  readonly #positions: Map<string, bigint>
  #timer: NodeJS.Timeout | undefined

  private constructor(path: string, positions: Map<string, bigint>, onError: (error: unknown) => void) {
    this.#path = path
    this.#positions = positions
    this.#onError = onError
  }

  static async open(path: string, onError: (error: unknown) => void): Promise<PositionFile> {
    const text = await readFile(path, 'utf8').catch(() => '{}')
    try {
      const entries = Object.entries(JSON.parse(text) as Record<string, string>)
      return new PositionFile(path, new Map(entries.map(([stream, next]) => [stream, BigInt(next)])), onError)
    } catch {
      return new PositionFile(path, new Map(), onError)
    }
  }

  read(prefix: string): ReadonlyMap<string, bigint> {
    return new Map([...this.#positions].filter(([stream]) => stream === `${prefix}.lineage`))
  }

  keep(stream: string, next: bigint): void {
    if (!stream.endsWith('.lineage')) return
    this.#positions.set(stream, next)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#write().catch(this.#onError)
    }, positionsEveryMs).unref()
  }

  async close(): Promise<void> {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    await this.#write()
  }

  async #write(): Promise<void> {
    const text = JSON.stringify(Object.fromEntries([...this.#positions].map(([stream, next]) => [stream, String(next)])))
    await writeWhole(this.#path, text)
  }
}
