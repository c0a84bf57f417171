/**
 * Whole or split. On one machine both have the same threads, so what a split saves is not the scan itself: it finds the
 * partials of earlier queries, it leaves partials that queries over grown data will find, and no node needs the memory for
 * everything. It costs about 6 ms of tasks and transfers, and one merge of all partial rows on one thread (measured: a
 * grouping to 200,000 rows takes 119 ms as a tree, 88 ms whole).
 */
import type { TreeMode, Work } from '../../../model/query.js'

export interface ShapeQuestion {
  readonly mode: TreeMode
  readonly work: Work
  readonly nodes: number
  /** Bytes to be read, without what stored partials cover. */
  readonly bytes: number
  readonly packedBytes: number
  /** Share of the bytes that stored partials cover, 0–1. */
  readonly coveredShare: number
  /** Segments that are left to be read. */
  readonly segments: number
  /** Threads of a whole task. */
  readonly threads: number
  /** Partial rows of an earlier run of the same leaf statement, per leaf. */
  readonly partialRows: number | undefined
  /** True when the same statement ran over another version of its data before, so that it will over the next one. */
  readonly grows: boolean
  /** Rows and bytes that one node holds, for the fear of not fitting. */
  readonly memoryBytesPerNode: number
}

export interface Shape {
  readonly shape: 'whole' | 'split'
  /** One sentence. */
  readonly why: string
}

const splitCostMs = 6
/** Compressed bytes that one thread decodes and filters per millisecond; packs are read about three times as fast. */
const parquetBytesPerMs = 150e3
const packBytesPerMs = 450e3
const mergeRowsPerMs = 3_000
/** Decoded data is a few times its compressed size; joins and groupings hold a good part of it. */
const expansion = 4

export function chooseShape(question: ShapeQuestion): Shape {
  const { mode, work } = question
  if (work.shape === 'whole') return { shape: 'whole', why: work.why }
  if (mode === 'never') return { shape: 'whole', why: 'the tree is switched off' }
  if (mode === 'always') return { shape: 'split', why: 'a tree was asked for' }
  const whole = wholeMs(question)
  const split = splitMs(question)
  const numbers = `whole ${whole.toFixed(0)} ms, split ${split.toFixed(0)} ms`
  if (question.coveredShare > 0 && split < whole) {
    return { shape: 'split', why: `${(question.coveredShare * 100).toFixed(0)} % is covered by stored partials: ${numbers}` }
  }
  const held = (question.bytes + question.packedBytes) * expansion
  if (held > question.memoryBytesPerNode && question.nodes > 1 && work.partial !== 'rows') {
    return { shape: 'split', why: `one node may not hold ${Math.round(held / 1e6)} MB` }
  }
  // Partials that will be found again are worth a quarter more time now.
  if (question.grows && work.partial !== 'rows' && split < whole * 1.25 + splitCostMs) {
    return { shape: 'split', why: `its data grows, so its partials will be used again: ${numbers}` }
  }
  return split < whole ? { shape: 'split', why: numbers } : { shape: 'whole', why: numbers }
}

function scanMs({ bytes, packedBytes }: ShapeQuestion): number {
  return bytes / parquetBytesPerMs + packedBytes / packBytesPerMs
}

/** What the query would cost without what is covered, scaled up to everything. */
function wholeMs(question: ShapeQuestion): number {
  const open = Math.max(0.02, 1 - question.coveredShare)
  return scanMs(question) / open / Math.max(1, question.threads)
}

function splitMs(question: ShapeQuestion): number {
  const { nodes, segments, threads } = question
  const parallel = Math.max(1, Math.min(nodes, segments, threads))
  const rows = (question.partialRows ?? 1_000) * Math.min(nodes, Math.max(1, segments))
  return splitCostMs + scanMs(question) / parallel + rows / mergeRowsPerMs
}
