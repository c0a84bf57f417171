import type { Operator } from '../model/transformation.js'

/**
 * Processing per row of each operator, in units of a scan. Taken from CPU per row of TPC-H queries on one thread and rounded:
 * only their ratios matter, since base and factor of a node's need are learned on top.
 */
const weights: Readonly<Record<Operator['type'], number>> = {
  scan: 1,
  filter: 0.3,
  project: 0.3,
  join: 2.5,
  aggregate: 2,
  distinct: 2,
  window: 4,
  sort: 3,
  limit: 0.1,
  union: 0.2,
  merge: 1,
  pack: 4,
  write: 3,
  import: 3,
  encode: 0.5,
}

/** Complexity of a transformation: the sum over its operators; never 0, so that a known use always counts. */
export function complexity(operators: readonly Operator[]): number {
  const sum = operators.reduce((total, operator) => total + (weights[operator.type] ?? 1), 0)
  return sum === 0 ? 1 : sum
}

const operatorWord = new RegExp(`\\b(${Object.keys(weights).join('|')})\\b`, 'g')

/** The same from the text of an edge: its type, and each word in its detail that names an operator. */
export function complexityOfText(type: string, detail: string): number {
  let sum = 0
  const counted = new Set<string>()
  for (const text of [detail, type]) {
    for (const [word] of text.matchAll(operatorWord)) {
      // The type repeats the detail's last telling operator; a second join in the detail is a second join.
      if (text === type && counted.has(word)) continue
      counted.add(word)
      sum += weights[word as Operator['type']]
    }
  }
  return sum === 0 ? 1 : sum
}
