import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { ProcessesProvisioner } from '../../../src/allocate/processes/processes-provisioner.js'
import { restartDelayMs } from '../../../src/allocate/processes/restart-delay.js'
import { conformsAsProvisioner } from '../../conformance/provisioner.js'

const folder = mkdtempSync(join(tmpdir(), 'forebay-provisioner-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let opened: ProcessesProvisioner | undefined

function open(entry?: URL): ProcessesProvisioner {
  opened = new ProcessesProvisioner({
    nodes: 2,
    ...(entry === undefined ? {} : { entry }),
    configure: (id, incarnation, memoryBytes) => {
      mkdirSync(join(folder, id), { recursive: true })
      return {
        id,
        incarnation,
        token: 'token',
        folder: join(folder, id),
        readableFolders: [folder],
        writableFolders: [],
        checksumFolder: join(folder, 'checksums'),
        memoryBytes,
        tempBytesMax: 1e8,
        threads: 1,
      }
    },
  })
  return opened
}

conformsAsProvisioner('ProcessesProvisioner', {
  open: async () => open(),
  timeoutMs: 30_000,
  kill: async (node) => {
    const pid = opened?.nodes().find((each) => each.id === node)?.pid
    if (pid === undefined) throw new Error(`${node} has no process`)
    const gone = new Promise<void>((resolve) => {
      const end = opened?.subscribe({
        message: () => {},
        changed: () => {},
        lost: () => {
          end?.()
          resolve()
        },
      })
    })
    process.kill(pid, 'SIGKILL')
    await gone
  },
})

describe('restarts', () => {
  it('come at once after the first end, and ever later after more', () => {
    expect([0, 1, 2, 3, 20].map(restartDelayMs)).toEqual([0, 0, 100, 200, 10_000])
  })
})

describe('a process that the system refuses at once', () => {
  it('is tried again like one that ended, and is no fault of whoever waits in vain', async () => {
    const lost: string[] = []
    // No file: as with too little memory, the call itself throws.
    const provisioner = open(new URL('http://localhost/main.js'))
    provisioner.subscribe({ message: () => {}, changed: () => {}, lost: ({ message }) => lost.push(message) })
    const signal = AbortSignal.timeout(10_000)
    await expect(provisioner.start('n1', { memoryBytes: 1e8 }, signal)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('n1 could not be started'),
    })
    await vi.waitFor(() => expect(lost.length).toBeGreaterThan(2), 5_000)
    await provisioner.stop('n1', signal)
    expect(await provisioner.observe()).toEqual([])
    await provisioner.close()
  })
})

describe('a process that dies while it drains', () => {
  it('does not fail the start that was asked for meanwhile', async () => {
    const provisioner = open()
    const signal = AbortSignal.timeout(20_000)
    await provisioner.start('n1', { memoryBytes: 1e8 }, signal)
    const [first] = provisioner.nodes()
    process.kill(first?.pid ?? 0, 'SIGSTOP')
    const stopped = provisioner.stop('n1', signal)
    expect(await provisioner.observe()).toMatchObject([{ id: 'n1', state: 'draining' }])
    const started = provisioner.start('n1', { memoryBytes: 1e8 }, signal)
    process.kill(first?.pid ?? 0, 'SIGKILL')
    await Promise.all([stopped, started])
    expect(provisioner.nodes()[0]).toMatchObject({ state: 'ready', incarnation: 2 })
    await provisioner.close()
  }, 30_000)
})

describe('a node that is stopped while it starts', () => {
  it('tells whoever waits for its start', async () => {
    const provisioner = open()
    const signal = AbortSignal.timeout(10_000)
    const started = provisioner.start('n1', { memoryBytes: 1e8 }, signal).catch((error: unknown) => error)
    await provisioner.stop('n1', signal)
    expect(await started).toMatchObject({ code: 'UNAVAILABLE', message: 'n1 was stopped' })
    expect(await provisioner.observe()).toEqual([])
    await provisioner.close()
  })
})
