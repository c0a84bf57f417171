/**
 * How many levels a query's tree has, and who merges what. A level of aggregators costs a task's overhead and moves every
 * partial once more; it pays when one root would have too many partials to read, or more rows than it can hold, and when
 * partials overlap, so that merging makes them fewer.
 */
import assert from 'node:assert/strict'
import type { TreeMode } from '../model/query.js'

export interface TreeQuestion {
  readonly mode: TreeMode
  /** Number of partials. */
  readonly partials: number
  /** Of all partials together, counted or predicted. */
  readonly rows: number
  readonly bytes: number
  readonly fanInMax: number
  /** With `always`: rows from which eight partials merge in at least two aggregators. */
  readonly aggregateRowsMin: number
  /** Bytes of partials that one task merges within its memory. */
  readonly mergeBytesMax: number
}

const treePartialsMin = 8

/** Widths of the levels between leaves and root, leaf side first; none when the root merges the partials itself. */
export function aggregatorWidths(question: TreeQuestion): readonly number[] {
  const { mode, partials, rows, bytes, fanInMax, aggregateRowsMin, mergeBytesMax } = question
  assert(fanInMax >= 2, 'a merge takes at least two partials')
  const shown = mode === 'always' && partials >= treePartialsMin && rows >= aggregateRowsMin
  const heavy = partials >= 4 && bytes > mergeBytesMax
  let width = partials
  const widths: number[] = []
  if (shown || heavy) {
    width = Math.max(2, Math.ceil(Math.sqrt(partials)))
    widths.push(width)
  }
  while (width > fanInMax) {
    width = Math.ceil(width / fanInMax)
    widths.push(width)
  }
  return widths
}

/** `count` things in `width` runs of nearly equal length, none empty. */
export function evenRuns<T>(items: readonly T[], width: number): readonly (readonly T[])[] {
  return Array.from({ length: width }, (_, index) =>
    items.slice(Math.floor((index * items.length) / width), Math.floor(((index + 1) * items.length) / width)),
  ).filter((run) => run.length > 0)
}
