/**
 * Which actions would make an expected query wait less, with what each should bring. The wait is a sum of steps that end
 * one by one: the start of a node, reading Parquet instead of a warm pack, and the computation itself. An answer computed
 * ahead saves all of them, but only if the query comes with the arguments and the data that were expected; a running node
 * and warm packs help whatever is asked. So each action is credited with the steps that it alone removes, and the share
 * of arrivals that missed their stored answer (learned) decides how much of the rest a node or a pack is worth beside it.
 */
import type { Forecast, HeldResources } from '../model/forecast.js'
import type { Action, ExpectedQuery, Readiness } from './actions.js'
import type { Timings } from './timings.js'

/** Used before any start of a node, or build of a pack, was measured. */
export const startMsPrior = 400
/** Measured: 13 CPU-seconds for 345 MB of Parquet. */
const packCpuSecondsPerByte = 13 / 345e6

export interface Proposal {
  readonly forecast: Forecast
  /** Of the forecast, as it will be borne out, 0–1. */
  readonly probability: number
  readonly readiness: Readiness
  /** What a node's start would add to the query's wait, in milliseconds; 0 where one will run anyway. */
  readonly startWaitMs: number
  /** Share of arrivals whose stored answer did not fit, 0–1. */
  readonly missShare: number
  /** Memory of a node that has to be kept for what is warm in it; 0 where nodes stay anyway. */
  readonly nodeBytes: number
  readonly timings: Timings
  readonly now: number
}

export function propose(proposal: Proposal): readonly Action[] {
  const { forecast, probability, readiness } = proposal
  const query: ExpectedQuery = {
    sql: forecast.sql,
    params: forecast.params,
    tenant: forecast.tenant,
    timeZone: forecast.timeZone,
  }
  const startMs = proposal.timings.mean('start-node', startMsPrior)
  const startNow = readiness.absentNodes.length > 0 ? startMs : 0
  const heldSeconds = Math.max(0, forecast.until - proposal.now) / 1000
  const precomputes = readiness.repeatable && !readiness.answerStored
  const stored = readiness.repeatable ? proposal.missShare : 1
  const actions: Action[] = []

  if (precomputes) {
    const saved = proposal.startWaitMs + readiness.coldMs - readiness.storedMs
    actions.push({
      kind: 'precompute',
      subject: readiness.fingerprint,
      expectedBenefitMs: saved * probability * (1 - proposal.missShare),
      expectedCost: computeCost(readiness, startNow),
      leadMs: proposal.timings.upper('precompute', startNow + readiness.coldMs),
      run: (actuator, signal) => actuator.precompute(query, signal),
    })
  }
  for (const absent of readiness.absentNodes) {
    actions.push({
      kind: 'start-node',
      subject: absent.node,
      expectedBenefitMs: (startNow * probability * stored) / readiness.absentNodes.length,
      expectedCost: { byteSeconds: absent.memoryBytes * heldSeconds, cpuSeconds: startMs / 1000 },
      leadMs: proposal.timings.upper('start-node', startMsPrior),
      run: (actuator, signal) => actuator.startNode(absent.node, absent.memoryBytes, signal),
    })
  }
  const packSaving = Math.max(0, readiness.coldMs - readiness.warmMs) * probability * stored
  const packBytes = sum(readiness.missingPacks.map((pack) => pack.bytes)) + sum(readiness.coldPacks.map((pack) => pack.bytes))
  for (const pack of readiness.missingPacks) {
    actions.push({
      kind: 'build-pack',
      subject: `${pack.dataset}(${pack.columns.join(',')})`,
      expectedBenefitMs: (packSaving * pack.bytes) / packBytes,
      expectedCost: { byteSeconds: pack.bytes * heldSeconds, cpuSeconds: buildCpuSeconds(proposal, pack.bytes) },
      leadMs: proposal.timings.upper('build-pack', buildCpuSeconds(proposal, pack.bytes) * 1000),
      run: (actuator, signal) => actuator.buildPack(pack, signal),
    })
  }
  for (const cold of readiness.coldPacks) {
    actions.push({
      kind: 'warm-pack',
      subject: cold.pack,
      expectedBenefitMs: (packSaving * cold.bytes) / packBytes,
      expectedCost: {
        byteSeconds: (cold.bytes + proposal.nodeBytes / readiness.coldPacks.length) * heldSeconds,
        cpuSeconds: cold.bytes / 1e9,
      },
      leadMs: proposal.timings.upper('warm-pack', cold.bytes / 1e6),
      run: (actuator, signal) => actuator.warmPack(cold.pack, cold.node, cold.columns, signal),
    })
  }
  // What cannot be finished in time would compete with its query. Habits keep their window, sessions their second.
  const deadline = forecast.source === 'sequence' ? forecast.at : forecast.until
  return actions.filter((action) => proposal.now + action.leadMs <= deadline)
}

/** A small pack costs what builds of this machine's packs cost at least; a large one by its bytes. */
function buildCpuSeconds({ timings }: Proposal, bytes: number): number {
  return Math.max(bytes * packCpuSecondsPerByte, timings.mean('build-pack CPU', 0) / 1000)
}

/** Computing an answer holds the query's memory for as long as it runs, on a node that may have to be started for it. */
function computeCost(readiness: Readiness, startWait: number): HeldResources {
  const seconds = (readiness.coldMs + startWait) / 1000
  return { byteSeconds: readiness.memoryBytes * seconds, cpuSeconds: readiness.cpuMs / 1000 }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
