import type { HeldResources } from '../model/forecast.js'

/**
 * What resources are worth in the one currency, milliseconds of a user's waiting. The defaults put an analyst's hour at
 * 50, a CPU-hour at 0.04 and a GB-hour of memory at 0.005 of the same money, which gives 0.8 ms of waiting for a
 * CPU-second and 0.1 ms for a GB-second: people cost far more than machines, so it is the budget that holds back, and
 * the price that refuses what nobody waits for.
 */
export interface Prices {
  readonly msPerGigabyteSecond: number
  readonly msPerCpuSecond: number
}
export const defaultPrices: Prices = { msPerGigabyteSecond: 0.1, msPerCpuSecond: 0.8 }

/** Cost in milliseconds of waiting. */
export function priceMs(cost: HeldResources, prices: Prices): number {
  return (cost.byteSeconds / 1e9) * prices.msPerGigabyteSecond + cost.cpuSeconds * prices.msPerCpuSecond
}

export function addCosts(a: HeldResources, b: HeldResources): HeldResources {
  return { byteSeconds: a.byteSeconds + b.byteSeconds, cpuSeconds: a.cpuSeconds + b.cpuSeconds }
}
export const noCost: HeldResources = { byteSeconds: 0, cpuSeconds: 0 }
