import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The files of one database; the third one, shared memory, does not outlive its process. */
const filesOf = (name: string): readonly string[] => [`${name}.sqlite`, `${name}.sqlite-wal`]

/**
 * The recorder's folders, one for each life of its process. What was committed to the log is on the disk; the graph's commits are
 * not waited for, so that a power cut may give back an older one, which is whole.
 */
export class RecorderDisk {
  // In memory where there is such a folder: a sync costs nothing there, and the disk is simulated anyway.
  readonly #root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'forebay-simulation-'))
  #lives = 0
  #folder = this.#next()
  #hasOldGraph = false

  get folder(): string {
    return this.#folder
  }

  /** Remembers the graph as what a power cut may bring back. */
  ageGraph(): void {
    this.#hasOldGraph = true
    this.#copy(this.#folder, join(this.#root, 'old'), 'graph')
  }

  /** What a process finds that starts after this moment; the one that ran has the old folder to itself. */
  crash(losesGraph: boolean): void {
    const before = this.#folder
    this.#folder = this.#next()
    this.#copy(before, this.#folder, 'log')
    this.#copy(losesGraph && this.#hasOldGraph ? join(this.#root, 'old') : before, this.#folder, 'graph')
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true })
  }

  #next(): string {
    const folder = join(this.#root, String(++this.#lives))
    mkdirSync(folder)
    return folder
  }

  #copy(from: string, to: string, name: string): void {
    mkdirSync(to, { recursive: true })
    for (const file of filesOf(name)) {
      rmSync(join(to, file), { force: true })
      if (existsSync(join(from, file))) cpSync(join(from, file), join(to, file))
    }
  }
}
