import { type FileSystem, nodeFileSystem } from '../../../src/catalog/file-system.js'

export type Failure = 'EIO' | 'ENOSPC' | 'kill' | 'EIO after' | 'outage'

/**
 * The real disk, but from call `n` on something fails. `EIO` and `ENOSPC` fail that call alone, before it did anything;
 * `EIO after` does it and then says that it failed, and so does `outage`, which then fails the next call too; `kill` does that call by halves where it can be and every later one not at all.
 */
export function failingFileSystem(n: number, failure: Failure): FileSystem & { readonly calls: () => number } {
  let calls = 0
  let dead = false
  const guard = async <T>(work: () => Promise<T>, half?: () => Promise<unknown>): Promise<T> => {
    if (dead) throw new Error('killed')
    calls += 1
    if (failure === 'outage' && calls === n + 1) throw failed('EIO')
    if (calls !== n) return work()
    if (failure === 'kill') {
      dead = true
      await half?.()
      throw new Error('killed')
    }
    if (failure === 'EIO after' || failure === 'outage') await work()
    throw failed(failure === 'ENOSPC' ? 'ENOSPC' : 'EIO')
  }
  const disk = nodeFileSystem
  return {
    calls: () => calls,
    list: (folder) => guard(() => disk.list(folder)),
    stat: (path) => guard(() => disk.stat(path)),
    read: (path) => guard(() => disk.read(path)),
    checksum: (path) => guard(() => disk.checksum(path)),
    write: (path, text) =>
      guard(
        () => disk.write(path, text),
        () => disk.write(path, text.slice(0, text.length / 2)),
      ),
    sync: (path) => guard(() => disk.sync(path)),
    rename: (from, to) => guard(() => disk.rename(from, to)),
    makeFolder: (path) => guard(() => disk.makeFolder(path)),
    remove: (path) => guard(() => disk.remove(path)),
  }
}

function failed(code: string): Error {
  return Object.assign(new Error(`${code}: made to fail`), { code })
}
