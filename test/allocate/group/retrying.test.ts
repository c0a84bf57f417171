import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { retrying } from '../../../src/allocate/group/retrying.js'
import { untilAborted } from '../../../src/model/until-aborted.js'
import { collectGarbage } from '../../support/collect-garbage.js'

it('gives a call up that is not answered in time, also when garbage was collected meanwhile', async () => {
  const options = { attemptsMax: 1, firstDelayMs: 1, delayMsMax: 1, callMsMax: 50, random: () => 0 }
  const clock = { sleep: async () => {} }
  const unanswered = async (signal: AbortSignal): Promise<never> => {
    const never = untilAborted(new Promise<never>(() => {}), signal)
    await setImmediate()
    collectGarbage()
    return never
  }
  const { signal } = new AbortController()
  await expect(retrying({ name: 'group "g"' }, unanswered, { ...options, clock }, signal)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('group "g"'),
  })
})
