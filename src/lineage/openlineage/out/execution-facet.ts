import type { AnswerEvent, TaskEvent, Transfer } from '../../../model/lineage-event.js'
import type { QueryStatus } from '../../../model/query.js'

/** Identity of the facet's schema, which stands in docs/openlineage/. */
const schemaURL = 'urn:forebay:openlineage:1-0-0:ForebayExecutionRunFacet.json#/$defs/ForebayExecutionRunFacet'

interface NodeWork {
  node: string
  roles: string[]
  tasks: number
  rows: number
  bytes: number
  cpuMs: number
  peakMemoryBytes: number
  queuedMs: number
}
interface Move {
  source: string
  destination: string
  via: string
  segments: number
  rows: number
  bytes: number
  transferMs: number
}

/** The facet `forebay_execution`: which nodes worked on a query, what moved between them, and what it cost. */
export function executionFacet(status: QueryStatus, tasks: readonly TaskEvent[], answer: AnswerEvent | undefined): object {
  const { queryId, tenant, priority, state, actual, predicted } = status
  return {
    _schemaURL: schemaURL,
    queryId,
    tenant,
    priority,
    state,
    reused: actual?.reused ?? false,
    nodes: nodesOf(tasks),
    transfers: movesOf(tasks, answer),
    costs: {
      cpuMs: actual?.cpuMs ?? tasks.reduce((sum, { cost }) => sum + cost.cpuMicros, 0) / 1000,
      peakMemoryBytes: actual?.memoryBytes ?? Math.max(0, ...tasks.map(({ cost }) => cost.peakMemoryBytes)),
      networkBytes: actual?.networkBytes ?? 0,
      ...(actual === undefined ? {} : pick(actual)),
    },
    ...(predicted === undefined ? {} : { predicted: { cpuMs: predicted.cpuMs.p50, memoryBytes: predicted.memoryBytes.p50 } }),
  }
}

function pick({
  planMs,
  queuedMs,
  runMs,
  totalMs,
  tasks,
  levels,
  segmentsRead,
  segmentsPruned,
  tiers,
}: NonNullable<QueryStatus['actual']>): object {
  return { planMs, queuedMs, runMs, totalMs, tasks, levels, segmentsRead, segmentsPruned, tiers }
}

function nodesOf(tasks: readonly TaskEvent[]): NodeWork[] {
  const nodes = new Map<string, NodeWork>()
  for (const { node, role, cost, baseReads, derivedReads } of tasks) {
    const work = nodes.get(node) ?? { node, roles: [], tasks: 0, rows: 0, bytes: 0, cpuMs: 0, peakMemoryBytes: 0, queuedMs: 0 }
    nodes.set(node, work)
    if (!work.roles.includes(role)) work.roles = [...work.roles, role].sort()
    work.tasks += 1
    for (const { rows, bytes } of [...baseReads, ...derivedReads]) {
      work.rows += rows
      work.bytes += bytes
    }
    work.cpuMs += cost.cpuMicros / 1000
    work.peakMemoryBytes = Math.max(work.peakMemoryBytes, cost.peakMemoryBytes)
    work.queuedMs += cost.queueMicros / 1000
  }
  return [...nodes.values()].sort((a, b) => a.node.localeCompare(b.node, 'en', { numeric: true }))
}

function movesOf(tasks: readonly TaskEvent[], answer: AnswerEvent | undefined): Move[] {
  const moves = new Map<string, Move>()
  const add = ({ source, destination, via, rows, bytes, micros }: Omit<Transfer, 'segment' | 'at'>, segments: number): void => {
    const key = `${source} ${destination} ${via}`
    const move = moves.get(key) ?? { source, destination, via, segments: 0, rows: 0, bytes: 0, transferMs: 0 }
    moves.set(key, move)
    move.segments += segments
    move.rows += rows
    move.bytes += bytes
    move.transferMs += micros / 1000
  }
  for (const { node, baseReads, transfers } of tasks) {
    for (const { source, segments, rows, bytes, micros } of baseReads) {
      if (source !== node) add({ source, destination: node, via: 'file', rows, bytes, micros }, bits(segments))
    }
    for (const transfer of transfers) add(transfer, 1)
  }
  if (answer !== undefined) add(answer.transfer, 1)
  return [...moves.values()]
}

/** How many ordinals a bitmap has. */
function bits(bitmap: string): number {
  let count = 0
  for (const byte of Buffer.from(bitmap, 'base64')) for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}
