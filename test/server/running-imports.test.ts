import { expect, it, vi } from 'vitest'
import { RunningImports } from '../../src/server/running-imports.js'

it('leaves nothing of an import at the signal that lives as long as the server', async () => {
  const any = vi.spyOn(AbortSignal, 'any')
  const imports = new RunningImports()
  await imports.run(async () => {}, new AbortController().signal)
  expect(any).not.toHaveBeenCalled()
  any.mockRestore()
})

it('cuts off what still runs when a stop waits no longer, and what comes later', async () => {
  const imports = new RunningImports()
  const forEver = (signal: AbortSignal): Promise<void> =>
    new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason)
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  const running = imports.run(forEver, new AbortController().signal)
  await Promise.all([expect(running).rejects.toMatchObject({ code: 'UNAVAILABLE' }), imports.drain(AbortSignal.abort())])
  await expect(imports.run(forEver, new AbortController().signal)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})
