/**
 * The provisioner on the API of AWS Auto Scaling as moto EMULATES it. Unlike AWS, moto takes sizes above the group's maximum and its
 * machines run at once; boot delays and missing capacity are proven on the simulated group in test/allocate/group.
 */
import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  CreateLaunchConfigurationCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeWarmPoolCommand,
  SetDesiredCapacityCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling'
import { beforeAll, describe, expect, it } from 'vitest'
import { openAutoScalingGroup } from '../../src/allocate/aws/auto-scaling-group.js'
import { GroupProvisioner, type GroupProvisionerOptions } from '../../src/allocate/group/group-provisioner.js'
import { openProvisioner, parseProvisioner } from '../../src/allocate/provisioner-url.js'
import { systemClock } from '../../src/model/clock.js'
import { conformsAsProvisioner } from '../conformance/provisioner.js'
import { useServer } from './support.js'

const endpoint = useServer('moto').urls['http'] ?? ''
const region = 'us-east-1'
const groupName = `workers-${process.pid}`
process.env['AWS_ACCESS_KEY_ID'] = 'AKIATESTTESTTEST'
process.env['AWS_SECRET_ACCESS_KEY'] = 'a-secret-that-nobody-may-see'
const client = new AutoScalingClient({ region, endpoint })

const describeGroup = async () => {
  const { AutoScalingGroups } = await client.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [groupName] }))
  return AutoScalingGroups?.[0]
}

beforeAll(async () => {
  const launch = { LaunchConfigurationName: groupName, ImageId: 'ami-12345678', InstanceType: 't3.large' }
  await client.send(new CreateLaunchConfigurationCommand(launch))
  await client.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: groupName,
      LaunchConfigurationName: groupName,
      MinSize: 0,
      MaxSize: 3,
      DesiredCapacity: 0,
      AvailabilityZones: ['us-east-1a'],
    }),
  )
})

async function open(more: Partial<GroupProvisionerOptions> = {}, name = groupName): Promise<GroupProvisioner> {
  return new GroupProvisioner({
    group: await openAutoScalingGroup({ groupName: name, region, endpoint, warmPool: 'Stopped' }),
    nodesMax: 3,
    memoryBytes: 8e9,
    clock: systemClock,
    random: Math.random,
    mode: 'act',
    pollMs: 50,
    bootMsMax: 5_000,
    retries: { attemptsMax: 3, firstDelayMs: 20 },
    ...more,
  })
}

conformsAsProvisioner('AWS Auto Scaling (emulated)', {
  open: async () => {
    const url = `aws://${region}/${groupName}?max=3&bootTimeout=5s&endpoint=${encodeURIComponent(endpoint)}`
    const choice = parseProvisioner(url)
    if (choice.kind !== 'aws') throw new Error(`${url} is not read as AWS`)
    return openProvisioner(choice, { clock: systemClock, pollMs: 50 })
  },
  timeoutMs: 20_000,
  kill: async () => {
    const id = (await describeGroup())?.Instances?.[0]?.InstanceId
    await client.send(new TerminateInstanceInAutoScalingGroupCommand({ InstanceId: id, ShouldDecrementDesiredCapacity: false }))
  },
  clear: async () => {
    await client.send(new SetDesiredCapacityCommand({ AutoScalingGroupName: groupName, DesiredCapacity: 0 }))
  },
})

describe('a scaling group of AWS, emulated', () => {
  const signal = (): AbortSignal => AbortSignal.timeout(20_000)

  it('keeps within our own maximum, protects what works and keeps machines prepared', async () => {
    const drained: string[] = []
    const provisioner = await open({ drain: async (machine) => void drained.push(machine) })
    await Promise.all(['n1', 'n2', 'n3'].map((node) => provisioner.start(node, { memoryBytes: 1 }, signal())))
    await expect(provisioner.start('n4', { memoryBytes: 1 }, signal())).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await describeGroup())?.DesiredCapacity).toBe(3)
    await provisioner.protect(['n1', 'n2'], signal())
    const kept = async (): Promise<number> =>
      (await describeGroup())?.Instances?.filter(({ ProtectedFromScaleIn }) => ProtectedFromScaleIn === true).length ?? 0
    expect(await kept()).toBe(2)
    await provisioner.protect([], signal())
    expect(await kept()).toBe(0)
    await provisioner.prepare(2, signal())
    const { WarmPoolConfiguration } = await client.send(new DescribeWarmPoolCommand({ AutoScalingGroupName: groupName }))
    expect(WarmPoolConfiguration).toMatchObject({ MinSize: 2, PoolState: 'Stopped' })
    const before = (await describeGroup())?.Instances?.map(({ InstanceId }) => InstanceId) ?? []
    await provisioner.stop('n2', signal())
    const after = (await describeGroup())?.Instances?.map(({ InstanceId }) => InstanceId) ?? []
    expect(drained).toEqual(before.filter((id) => !after.includes(id)))
    await Promise.all(['n1', 'n3'].map((node) => provisioner.stop(node, signal())))
    expect((await describeGroup())?.DesiredCapacity).toBe(0)
  })

  it('changes nothing when it only forecasts', async () => {
    const told: string[] = []
    const provisioner = await open({ mode: 'forecast-only', onDecision: (decision) => told.push(decision) })
    await expect(provisioner.start('n1', { memoryBytes: 1 }, signal())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(told).toEqual(['would start n1'])
    expect((await describeGroup())?.DesiredCapacity).toBe(0)
  })

  it('names a group that is not there, and never a credential', async () => {
    const provisioner = await open({}, 'no-such-group')
    const error = await provisioner.start('n1', { memoryBytes: 1 }, signal()).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining('no-such-group') })
    expect(`${JSON.stringify(error)} ${String((error as Error).stack)}`).not.toMatch(/secret-that|AKIATEST/)
  })

  it('says that the cloud does not answer, after some attempts', async () => {
    const group = await openAutoScalingGroup({ groupName, region, endpoint: 'http://127.0.0.1:9' })
    const options = { group, nodesMax: 3, memoryBytes: 1, clock: systemClock, random: Math.random, mode: 'act' as const }
    const provisioner = new GroupProvisioner({ ...options, retries: { attemptsMax: 2, firstDelayMs: 10 } })
    await expect(provisioner.observe(signal())).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('after 2 attempts'),
    })
  })
})
