import { describe, expect, it } from 'vitest'
import { openTestReader, openTestRecorder } from '../open-lineage.js'
import { dataset, facet, logged, runEvent, uuid } from './openlineage-fixtures.js'

const schema = (name: string): object => ({ facets: { schema: facet({ fields: [{ name, type: 'INT' }] }) } })

/** Two events of each run: its start names the input, its end the output. */
function runs(from: number, to: number) {
  const numbers = [...Array(to - from).keys()].map((index) => from + index)
  return logged(
    ...numbers.flatMap((number) => {
      const sketch = { run: uuid(number), job: `j${number % 5}` }
      const at = (seconds: number): string => new Date(Date.UTC(2026, 0, 31) + number * 10_000 + seconds * 1000).toISOString()
      return [
        runEvent({ ...sketch, type: 'START', time: at(0), inputs: [dataset(`d${number % 5}`, schema('x'))] }),
        runEvent({ ...sketch, time: at(1), outputs: [dataset(`d${(number % 5) + 1}`, schema('y'))] }),
      ]
    }),
  )
}

describe('the recorder with events of other programs', () => {
  it('gives the same graph and the same answers from a checkpoint and the tail', async () => {
    const recorder = await openTestRecorder({ limits: { eventsMax: 50 } })
    const reader = await openTestReader(recorder.folder)
    const ask = async () => [
      await reader.catalogue({ what: 'lineage', nodeId: 'job:ns:j0', depth: 20 }),
      await reader.catalogue({ what: 'datasets', limit: 100, offset: 0 }),
      await reader.catalogue({ what: 'runs', namespace: 'ns', job: 'j4', limit: 100, offset: 0 }),
    ]
    await recorder.record(runs(0, 50))
    await recorder.projected()
    const { truncated } = await recorder.checkpoint()
    expect(truncated).toBe(50)
    // A run that has left the log tells of itself once more, and others go on.
    const late = runEvent({
      run: uuid(3),
      job: 'j3',
      type: 'OTHER',
      time: '2026-03-01T00:00:00Z',
      inputs: [dataset('d3')],
      outputs: [dataset('d4')],
    })
    await recorder.record([...logged(late), ...runs(50, 60), ...runs(48, 52)])
    await recorder.projected()
    const before = await ask()
    expect(JSON.parse(before[0] ?? '').graph).toHaveLength(11)
    expect(JSON.parse(before[2] ?? '').runs[0]).toMatchObject({ id: uuid(59), state: 'COMPLETED' })
    expect(await recorder.verify()).toMatchObject({ identical: true })
    expect(await recorder.rebuild()).toMatchObject({ identical: true })
    expect(await ask()).toEqual(before)
  })

  it('starts a trace from a job and from a dataset of others', async () => {
    const recorder = await openTestRecorder()
    const reader = await openTestReader(recorder.folder)
    await recorder.record(runs(0, 10))
    await recorder.projected()
    const from = async (start: string) =>
      JSON.parse(await reader.trace({ from: start, direction: 'both', depth: 1, limit: 100 })).edges.length
    expect(await from('node:job:ns:j0')).toBeGreaterThan(2)
    expect(await from('table:db:d1')).toBeGreaterThan(2)
  })
})
