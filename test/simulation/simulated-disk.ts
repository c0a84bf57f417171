import { basename, dirname } from 'node:path'

/** What may go wrong with one call: it fails; half of a write arrives before it fails; the process dies before or after it. */
export type DiskFault = 'EIO' | 'ENOSPC' | 'half' | 'dies before' | 'dies after'

interface Inode {
  text: string
  /** What is there after a power cut, at least. */
  synced: string
}

/**
 * A disk in memory, for what uses `node:fs/promises`: what was not synced is lost in a crash, or a part of it, names too. A
 * process that died gets no answer to its calls.
 */
export class SimulatedDisk {
  #names = new Map<string, Inode>()
  #syncedNames = new Map<string, Inode>()
  #epoch = 0
  /** Asked before each call that changes something. */
  faultOf: (call: string) => DiskFault | undefined = () => undefined
  /** Names that became final while their bytes were not on the disk. */
  readonly unsyncedRenames: string[] = []

  /** The machine loses its power: of what was not synced, `share` (0 to 1) of each file has reached the disk anyway. */
  crash(share: number): void {
    this.#epoch++
    for (const inode of this.#names.values()) {
      const lost = inode.text.slice(inode.synced.length)
      inode.synced += lost.slice(0, Math.floor(lost.length * share))
      inode.text = inode.synced
    }
    this.#names = new Map(this.#syncedNames)
  }

  async mkdir(): Promise<void> {}

  async readFile(path: string): Promise<string> {
    const inode = this.#names.get(path)
    if (inode === undefined) throw failure('ENOENT', path)
    return inode.text
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call('rename', () => {
      const inode = this.#names.get(from)
      if (inode === undefined) throw failure('ENOENT', from)
      if (inode.text !== inode.synced) this.unsyncedRenames.push(basename(to))
      this.#names.delete(from)
      this.#names.set(to, inode)
    })
  }

  async open(path: string, flags: string) {
    let inode = this.#names.get(path)
    if (flags !== 'r') {
      await this.#call('open', () => {
        inode ??= { text: '', synced: '' }
        if (flags === 'w') inode = { text: '', synced: '' }
        this.#names.set(path, inode)
      })
    }
    const folder = inode === undefined ? path : undefined
    const append = (text: string): Promise<void> =>
      this.#call('write', (part) => {
        if (inode !== undefined) inode.text += text.slice(0, Math.floor(text.length * part))
      })
    const sync = (): Promise<void> =>
      this.#call('sync', () => (folder === undefined ? syncFile(inode) : this.#syncFolder(folder)))
    return { appendFile: append, writeFile: append, sync, datasync: sync, close: async (): Promise<void> => {} }
  }

  #syncFolder(folder: string): void {
    for (const name of this.#syncedNames.keys()) if (dirname(name) === folder) this.#syncedNames.delete(name)
    for (const [name, inode] of this.#names) if (dirname(name) === folder) this.#syncedNames.set(name, inode)
  }

  async #call(name: string, work: (part: number) => void): Promise<void> {
    const epoch = this.#epoch
    await Promise.resolve()
    // Whoever called is dead, and hears nothing.
    if (epoch !== this.#epoch) return new Promise(() => {})
    const fault = this.faultOf(name)
    if (fault === 'half') work(0.5)
    if (fault === 'dies after') work(1)
    if (fault === 'dies before' || fault === 'dies after') return new Promise(() => {})
    if (fault !== undefined) throw failure(fault === 'half' ? 'ENOSPC' : fault, name)
    work(1)
  }
}

function syncFile(inode: Inode | undefined): void {
  if (inode !== undefined) inode.synced = inode.text
}

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}
