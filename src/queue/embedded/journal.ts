/**
 * What must survive a crash before it is promised: accepted queries and writes under way. A file of JSON lines, `put` and
 * `done`, with one fsync for all calls that wait at the same time. A torn last line (the crash came while writing) is cut off
 * at opening; it was never acknowledged. The file is rewritten when most of its lines are done.
 */
import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ForebayError } from '../../model/errors.js'

type Line = { readonly put: string; readonly value: unknown } | { readonly done: string }

/** Lines beyond those that are live, before the file is rewritten. */
const slackLines = 10_000

export class Journal {
  readonly #path: string
  readonly #live: Map<string, unknown>
  #file: FileHandle
  #lines: number
  #pending: { line: string; resolve: () => void; reject: (error: unknown) => void }[] = []
  #flushing: Promise<void> | undefined
  #closed = false

  private constructor(path: string, file: FileHandle, live: Map<string, unknown>, lines: number) {
    this.#path = path
    this.#file = file
    this.#live = live
    this.#lines = lines
  }

  /** Opens or creates the file; its folder is created too. */
  static async open(path: string): Promise<Journal> {
    await mkdir(dirname(path), { recursive: true })
    const live = replay(await readFile(path, 'utf8').catch(() => ''))
    const file = await rewrite(path, live)
    return new Journal(path, file, live, live.size)
  }

  /** What was put and is not done, oldest first. */
  entries(): ReadonlyMap<string, unknown> {
    return this.#live
  }

  /** Resolves when it would survive a crash. */
  put(key: string, value: unknown): Promise<void> {
    this.#live.set(key, value)
    return this.#append({ put: key, value })
  }

  /** Forgets an entry; unknown keys are ignored. */
  async done(key: string): Promise<void> {
    if (this.#live.delete(key)) await this.#append({ done: key })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#flushing
    await this.#file.close()
  }

  #append(line: Line): Promise<void> {
    if (this.#closed) return Promise.reject(new ForebayError('UNAVAILABLE', 'the journal is closed'))
    return new Promise((resolve, reject) => {
      this.#pending.push({ line: `${JSON.stringify(line)}\n`, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  async #flush(): Promise<void> {
    // Calls of the same turn share one write and one fsync.
    await Promise.resolve()
    while (this.#pending.length > 0) {
      const batch = this.#pending
      this.#pending = []
      try {
        await this.#file.appendFile(batch.map((entry) => entry.line).join(''))
        await this.#file.datasync()
        this.#lines += batch.length
        if (this.#lines > this.#live.size + slackLines) await this.#compact()
        for (const entry of batch) entry.resolve()
      } catch (error) {
        for (const entry of batch) entry.reject(error)
      }
    }
    this.#flushing = undefined
  }

  async #compact(): Promise<void> {
    const old = this.#file
    this.#file = await rewrite(this.#path, this.#live)
    this.#lines = this.#live.size
    await old.close()
  }
}

function replay(text: string): Map<string, unknown> {
  const live = new Map<string, unknown>()
  for (const line of text.split('\n')) {
    const parsed = parseLine(line)
    if (parsed === undefined) continue
    if ('put' in parsed) live.set(parsed.put, parsed.value)
    else live.delete(parsed.done)
  }
  return live
}

function parseLine(line: string): Line | undefined {
  if (line === '') return undefined
  try {
    return JSON.parse(line) as Line
  } catch {
    return undefined
  }
}

/** Writes what is live under a temporary name, makes it the file, and opens it for appending. */
async function rewrite(path: string, live: ReadonlyMap<string, unknown>): Promise<FileHandle> {
  const temporary = `${path}.tmp`
  const file = await open(temporary, 'w')
  await file.writeFile([...live].map(([put, value]) => `${JSON.stringify({ put, value })}\n`).join(''))
  await file.sync()
  await file.close()
  await rename(temporary, path)
  const folder = await open(dirname(path), 'r')
  await folder.sync()
  await folder.close()
  return open(path, 'a')
}
