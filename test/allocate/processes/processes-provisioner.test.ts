import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ProcessesProvisioner } from '../../../src/allocate/processes/processes-provisioner.js'
import { restartDelayMs } from '../../../src/allocate/processes/restart-delay.js'
import { conformsAsProvisioner } from '../../conformance/provisioner.js'

const folder = mkdtempSync(join(tmpdir(), 'forebay-provisioner-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let opened: ProcessesProvisioner | undefined

function open(): ProcessesProvisioner {
  opened = new ProcessesProvisioner({
    nodes: 2,
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
