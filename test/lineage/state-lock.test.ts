import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { lockStateFolder } from '../../src/lineage/state-lock.js'
import { temporaryFolder } from './lineage-fixtures.js'

const lockModule = new URL('../../dist/lineage/state-lock.js', import.meta.url).href

it('lets one holder in, and the next after release', () => {
  const folder = join(temporaryFolder(), 'state')
  const lock = lockStateFolder(folder)
  expect(() => lockStateFolder(folder)).toThrow(
    expect.objectContaining({ code: 'STATE_IN_USE', message: expect.stringContaining(String(process.pid)) }),
  )
  lock.release()
  lock.release()
  lockStateFolder(folder).release()
})

it('ends with the process that holds it, also after kill -9', async () => {
  const folder = temporaryFolder()
  const program = `const { lockStateFolder } = await import(${JSON.stringify(lockModule)})
    lockStateFolder(${JSON.stringify(folder)}); console.log('locked'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  expect(() => lockStateFolder(folder)).toThrow(expect.objectContaining({ code: 'STATE_IN_USE' }))
  child.kill('SIGKILL')
  await once(child, 'exit')
  lockStateFolder(folder).release()
})

it('does not take a folder that a newer version wrote', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'format'), '99\n')
  expect(() => lockStateFolder(folder)).toThrow(expect.objectContaining({ code: 'STATE_TOO_NEW' }))
})

it('names a folder that cannot be made', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'file'), '')
  expect(() => lockStateFolder(join(folder, 'file'))).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }))
})
