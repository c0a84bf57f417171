import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { openStateFolder } from '../../src/server/state-folder.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-state-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

it('lets one server in at a time, and the next one after it', () => {
  const path = join(root, 'a', 'deep')
  const first = openStateFolder(path, 0)
  expect(() => openStateFolder(path, 0)).toThrow(expect.objectContaining({ code: 'STATE_IN_USE' }))
  first.release()
  openStateFolder(path, 0).release()
})

it('is free again after kill -9 of its owner', async () => {
  const path = join(root, 'killed')
  const module = new URL('../../dist/server/state-folder.js', import.meta.url).href
  const script = `import { openStateFolder } from ${JSON.stringify(module)}
    const state = openStateFolder(${JSON.stringify(path)}, 0)
    await state.announce('http://127.0.0.1:1')
    process.stdout.write('held'); setInterval(() => state.path, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  expect(() => openStateFolder(path, 0)).toThrow(
    expect.objectContaining({ code: 'STATE_IN_USE', message: expect.stringContaining(`process ${child.pid}`) }),
  )
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
  openStateFolder(path, 0).release()
})

it('refuses the folder of a newer version and leaves it unlocked', () => {
  const path = join(root, 'newer')
  openStateFolder(path, 0).release()
  writeFileSync(join(path, 'version'), '99\n')
  for (const _ of [1, 2]) expect(() => openStateFolder(path, 0)).toThrow(expect.objectContaining({ code: 'STATE_TOO_NEW' }))
  writeFileSync(join(path, 'version'), '1\n')
  openStateFolder(path, 0).release()
})

it('names a folder that is not writable', () => {
  const path = join(root, 'file')
  writeFileSync(path, '')
  expect(() => openStateFolder(path, 0)).toThrow(
    expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining('not writable') }),
  )
  if (process.getuid?.() === 0) return
  const readOnly = join(root, 'read-only')
  openStateFolder(readOnly, 0).release()
  chmodSync(readOnly, 0o500)
  expect(() => openStateFolder(readOnly, 0)).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }))
})

it('names a disk that is full', () => {
  expect(() => openStateFolder(join(root, 'full'), Number.MAX_SAFE_INTEGER)).toThrow(
    expect.objectContaining({ code: 'DISK_EXCEEDED' }),
  )
})

it('says why a folder cannot be made or used, also where the system makes none', () => {
  const file = join(root, 'a-file')
  writeFileSync(file, '')
  for (const path of [file, join(file, 'inside')]) {
    expect(() => openStateFolder(path, 0)).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining('it is not a folder') }),
    )
  }
  if (process.platform !== 'linux') return
  expect(() => openStateFolder('/proc/forebay/state', 0)).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }))
})
