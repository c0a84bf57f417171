/**
 * What must survive a crash before it is promised: accepted queries and writes under way. A file of JSON lines, `put` and
 * `done`, with one fsync for all calls that wait at the same time. A torn last line (the crash came while writing) is cut off
 * at opening; it was never acknowledged. The file is rewritten when most of its lines are done, and after a call to the disk has failed:
 * half a line may be at its end then, which would spoil the next one, or the open file may not be the one of that name any more.
 */
import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ForebayError } from '../../model/errors.js'

type Line = { readonly put: string; readonly value: unknown } | { readonly done: string }

interface Pending {
  readonly line: Line
  readonly text: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Lines beyond those that are live, before the file is rewritten. */
const slackLines = 10_000

export class Journal {
  readonly #path: string
  readonly #live: Map<string, unknown>
  #file: FileHandle
  #lines: number
  #pending: Pending[] = []
  #flushing: Promise<void> | undefined
  /** Whether the open file ends with a whole line, and is the one that an opening would read. */
  #sound = true
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
    const live = replay(await readIfThere(path))
    const file = await rewrite(path, live)
    return new Journal(path, file, live, live.size)
  }

  /** What was put and is not done, oldest first. */
  entries(): ReadonlyMap<string, unknown> {
    return this.#live
  }

  /** Resolves when it would survive a crash. */
  async put(key: string, value: unknown): Promise<void> {
    const written = this.#append({ put: key, value })
    this.#live.set(key, value)
    await written
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
    if (this.#closed) throw new ForebayError('UNAVAILABLE', 'the journal is closed')
    const text = `${JSON.stringify(line)}\n`
    return new Promise((resolve, reject) => {
      this.#pending.push({ line, text, resolve, reject })
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
        await this.#write(batch.map((entry) => entry.text))
        for (const entry of batch) entry.resolve()
      } catch (error) {
        this.#sound = false
        for (const entry of batch) this.#refuse(entry, error)
      }
    }
    this.#flushing = undefined
  }

  /** What was refused is not live when the next lines are written, unless it was put again since. */
  #refuse({ line, reject }: Pending, error: unknown): void {
    if ('put' in line && this.#live.get(line.put) === line.value) this.#live.delete(line.put)
    reject(error)
  }

  async #write(lines: readonly string[]): Promise<void> {
    // What is live has these lines already.
    if (!this.#sound || this.#lines + lines.length > this.#live.size + slackLines) return this.#compact()
    await this.#file.appendFile(lines.join(''))
    await this.#file.datasync()
    this.#lines += lines.length
  }

  async #compact(): Promise<void> {
    const old = this.#file
    this.#file = await rewrite(this.#path, this.#live)
    this.#sound = true
    this.#lines = this.#live.size
    await old.close().catch(() => {})
  }
}

/** The text of a file; nothing where there is none. One that cannot be read is not one that is not there. */
async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
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
  const text = [...live].map(([put, value]) => `${JSON.stringify({ put, value })}\n`).join('')
  await using(await open(temporary, 'w'), async (file) => {
    await file.writeFile(text)
    await file.sync()
  })
  await rename(temporary, path)
  await using(await open(dirname(path), 'r'), (folder) => folder.sync())
  return open(path, 'a')
}

async function using(file: FileHandle, work: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(file)
  } finally {
    await file.close()
  }
}
