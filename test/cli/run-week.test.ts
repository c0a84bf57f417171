import { expect, it } from 'vitest'
import { runWeek } from '../../src/cli/demo/run-week.js'
import { VirtualClock } from '../../src/model/virtual-clock.js'

it('ends a week at once when it is told to, though its server is never quiet', async () => {
  const stop = new AbortController()
  const week = runWeek({
    server: { url: 'http://127.0.0.1:9', quiet: () => false, nodes: () => [] },
    clock: new VirtualClock(0),
    lake: '',
    events: [],
    until: 7 * 86_400_000,
    signal: stop.signal,
    onProgress: () => {},
  })
  stop.abort(new Error('told to end'))
  await expect(week).rejects.toThrow('told to end')
})
