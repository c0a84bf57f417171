import { expect, it, vi } from 'vitest'
import { Journal } from '../../src/queue/embedded/journal.js'
import { type DiskFault, SimulatedDisk } from '../simulation/simulated-disk.js'

let disk = new SimulatedDisk()
vi.mock('node:fs/promises', () => ({
  mkdir: () => disk.mkdir(),
  open: (path: string, flags: string) => disk.open(path, flags),
  readFile: (path: string) => disk.readFile(path),
  rename: (from: string, to: string) => disk.rename(from, to),
}))

const path = '/state/promises/journal.jsonl'
const faults: readonly DiskFault[] = ['EIO', 'ENOSPC', 'half', 'dies before', 'dies after']

/** Puts and forgets, one call of the disk failing; what was acknowledged, by key. */
async function run(
  failing: number,
  fault: DiskFault,
): Promise<{ readonly promised: Map<string, boolean>; readonly calls: number }> {
  let calls = 0
  disk.faultOf = () => (++calls === failing ? fault : undefined)
  const promised = new Map<string, boolean>()
  const work = async (): Promise<void> => {
    const journal = await Journal.open(path).catch(() => Journal.open(path))
    for (const key of ['a', 'b', 'c', 'd']) {
      await journal.put(key, `the value of ${key}`).then(
        () => promised.set(key, true),
        () => {},
      )
    }
    // Until it is told that this is done, it may be either way.
    promised.delete('b')
    await journal.done('b').then(
      () => promised.set('b', false),
      () => {},
    )
    await journal.put('e', 5).then(
      () => promised.set('e', true),
      () => {},
    )
  }
  void work()
  // Not waited for: a process that died never comes to its end.
  for (let turn = 0; turn < 500; turn++) await Promise.resolve()
  return { promised, calls }
}

it.each(faults)('keeps every promise whichever call fails with "%s", through a power cut', async (fault) => {
  disk = new SimulatedDisk()
  const { calls } = await run(0, fault)
  for (let failing = 1; failing <= calls; failing++) {
    for (const share of [0, 0.5, 1]) {
      disk = new SimulatedDisk()
      const outcome = await run(failing, fault)
      disk.faultOf = () => undefined
      disk.crash(share)
      const entries = (await Journal.open(path)).entries()
      for (const [key, there] of outcome.promised) {
        expect([key, entries.has(key)], `call ${failing}, ${share} of what was not synced`).toEqual([key, there])
      }
      expect(disk.unsyncedRenames).toEqual([])
    }
  }
  expect(calls).toBeGreaterThan(12)
})

it.each([
  ['keeps nothing that it refused when another call waits meanwhile', 'b', [['b', 2]]],
  ['keeps what is put again while it is refused', 'a', [['a', 2]]],
])('%s', async (_, key, expected) => {
  disk = new SimulatedDisk()
  const journal = await Journal.open(path)
  let meanwhile: Promise<void> | undefined
  disk.faultOf = (call) => {
    if (call !== 'write' || meanwhile !== undefined) return undefined
    meanwhile = journal.put(key, 2)
    return 'ENOSPC'
  }
  await expect(journal.put('a', 1)).rejects.toThrow('ENOSPC')
  await meanwhile
  expect([...journal.entries()]).toEqual(expected)
  expect([...(await Journal.open(path)).entries()]).toEqual(expected)
})

it('does not take a file that cannot be read for an empty one', async () => {
  disk = new SimulatedDisk()
  await run(0, 'EIO')
  const readFile = vi.spyOn(disk, 'readFile').mockRejectedValueOnce(Object.assign(new Error('EIO'), { code: 'EIO' }))
  await expect(Journal.open(path)).rejects.toThrow('EIO')
  readFile.mockRestore()
  expect([...(await Journal.open(path)).entries().keys()]).toEqual(['a', 'c', 'd', 'e'])
})
