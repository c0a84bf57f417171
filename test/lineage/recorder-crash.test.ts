import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import { LineageLog, lineageFiles } from '../../src/lineage/log/lineage-log.js'
import { baseRead, noon, output, snapshotEvent, taskEvent, temporaryFolder } from './lineage-fixtures.js'
import { openTestRecorder } from './open-lineage.js'

const recorderModule = new URL('../../dist/lineage/recorder.js', import.meta.url).href

/** Eight writers that print the ids of what was acknowledged, until they are killed. */
function program(folder: string, round: number): string {
  const task = taskEvent('ID', { base: [baseRead('S1', 't', [0, 1, 2])], output: output('d-OUT') })
  return `
    const { openRecorder } = await import(${JSON.stringify(recorderModule)})
    const recorder = await openRecorder({ folder: ${JSON.stringify(folder)}, limits: { eventsMax: 2000 } })
    const task = ${JSON.stringify(JSON.stringify(task))}
    await recorder.record([${JSON.stringify(snapshotEvent('S1', 't', 3))}])
    async function write(writer) {
      for (let index = 0; ; index++) {
        const ids = [0, 1, 2].map((part) => 'r${round}-' + writer + '-' + index + '-' + part)
        await recorder.record(ids.map((id) => JSON.parse(task.replace('ID', id).replace('OUT', id))))
        console.log(ids.join(' '))
      }
    }
    for (let writer = 0; writer < 8; writer++) void write(writer)`
}

it('loses no acknowledged event when its process is killed, and the graph still equals the log', async () => {
  const folder = temporaryFolder()
  const acknowledged = new Set<string>()
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(folder, round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const exited = once(child, 'exit')
    let seen = 0
    for await (const line of createInterface({ input: child.stdout })) {
      for (const id of line.split(' ')) acknowledged.add(id)
      if (++seen === 100 + 61 * round) child.kill('SIGKILL')
    }
    await exited
  }
  const recorder = await openTestRecorder({ folder })
  await recorder.projected()
  const report = await recorder.verify()
  expect(report.identical).toBe(true)
  expect(recorder.lag()).toEqual({ sqlite: 0 })
  const log = LineageLog.openReadOnly(lineageFiles(folder).log)
  onTestFinished(() => log.close())
  const present = new Set(log.sql.all<[string]>('SELECT id FROM log').map(([id]) => id))
  const truncated = log.from()
  const lost = [...acknowledged].filter((id) => !present.has(id))
  // What is not in the log any more was truncated after a checkpoint: never more than the offsets that went.
  expect(lost.length).toBeLessThanOrEqual(truncated)
  expect(report.events).toBeGreaterThanOrEqual(acknowledged.size + 1)
  await recorder.record([taskEvent('after', { base: [baseRead('S1', 't', [0])], at: noon })])
})
