import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Provisioner } from '../../src/allocate/provisioner.js'

export interface ProvisionerSubject {
  /** One that can give nodes `n1` and `n2`, of which none runs. */
  open(): Promise<Provisioner>
  readonly timeoutMs: number
  /** The nodes of the suite, when they outlive their provisioner: ends what is left. */
  readonly clear?: () => Promise<void>
  /** Ends a running node from outside, as an accident would; absent where the test cannot. */
  readonly kill?: (node: string) => Promise<void>
}

/** What every provisioner promises. */
export function conformsAsProvisioner(name: string, subject: ProvisionerSubject): void {
  describe(`${name} as a provisioner`, () => {
    const memoryBytes = 512e6
    let provisioner: Provisioner
    const signal = (): AbortSignal => AbortSignal.timeout(subject.timeoutMs)
    const observed = async (): Promise<Readonly<Record<string, string>>> =>
      Object.fromEntries((await provisioner.observe(signal())).map((node) => [node.id, node.state]))

    beforeAll(async () => {
      provisioner = await subject.open()
    }, subject.timeoutMs)
    afterAll(() => provisioner?.close(), subject.timeoutMs)

    it('starts with no node', async () => {
      expect(await observed()).toEqual({})
    })

    it(
      'starts a node, and starting it again changes nothing',
      async () => {
        await provisioner.start('n1', { memoryBytes }, signal())
        expect(await observed()).toEqual({ n1: 'ready' })
        await provisioner.start('n1', { memoryBytes }, signal())
        expect(await observed()).toEqual({ n1: 'ready' })
      },
      subject.timeoutMs,
    )

    it.runIf(subject.kill !== undefined)(
      'replaces a node that was lost',
      async () => {
        await subject.kill?.('n1')
        await provisioner.start('n1', { memoryBytes }, signal())
        expect(await observed()).toEqual({ n1: 'ready' })
      },
      subject.timeoutMs,
    )

    it(
      'stops a node, and stopping it again changes nothing',
      async () => {
        await provisioner.start('n2', { memoryBytes }, signal())
        await provisioner.stop('n1', signal())
        await provisioner.stop('n1', signal())
        expect(await observed()).toEqual({ n2: 'ready' })
      },
      subject.timeoutMs,
    )

    it(
      'starts nothing any more once it is closed, and either ends its nodes or leaves them for the next one to find',
      async () => {
        const { outlives = false } = provisioner
        await provisioner.close()
        await expect(provisioner.start('n1', { memoryBytes }, signal())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
        if (!outlives) {
          expect(await observed()).toEqual({})
          return
        }
        provisioner = await subject.open()
        expect(Object.values(await observed())).toEqual(['ready'])
        await subject.clear?.()
      },
      subject.timeoutMs,
    )
  })
}
