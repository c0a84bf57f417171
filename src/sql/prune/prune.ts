import type { Snapshot } from '../../model/segment.js'
import type { AstObject } from '../ast-text.js'
import { emptySelect } from '../ast-walk.js'
import { expressionText } from '../expression-text.js'
import type { Relation } from '../resolve/resolve-names.js'
import { ColumnRanges } from './column-ranges.js'
import { type Conjunct, findOccurrences } from './conjuncts.js'
import { answeredValue, type ConstantUse, type ConstantValue, constantsQuery, isConstant, literalValue } from './constants.js'
import { columnsOf, mayBeTrue, type Predicate, readPredicate } from './predicate.js'

/** What is left of a relation. */
export interface Pruning {
  /** Ordinals of the segments that may hold rows that matter, ascending. */
  readonly segments: readonly number[]
  /** The conjuncts that took at least one segment away, as people read them. */
  readonly prunedBy: readonly string[]
}

/** What pruning asks of DuckDB: the text of a tree, and rows of a SELECT over constants alone. */
export interface ConstantEvaluator {
  print(nodes: readonly AstObject[]): Promise<readonly string[]>
  constants(sql: string): Promise<readonly (readonly unknown[])[]>
}

/**
 * Takes away segments that cannot hold a row that has any part in the answer, by partition values and by the smallest and
 * largest values of columns. In doubt a segment stays: a conjunct that is not understood, a comparison between types whose
 * meaning we do not follow, statistics that are missing or cannot be read, floating-point rounding and NaN.
 */
export class Pruner {
  readonly #evaluator: ConstantEvaluator
  readonly #ranges = new WeakMap<Snapshot, ColumnRanges>()

  constructor(evaluator: ConstantEvaluator) {
    this.#evaluator = evaluator
  }

  /** By placeholder; a relation that occurs more than once keeps what any of its occurrences needs. */
  async prune(node: AstObject, relations: readonly Relation[]): Promise<ReadonlyMap<string, Pruning>> {
    const byName = new Map(relations.map((relation) => [relation.relation, relation]))
    const occurrences = findOccurrences(node, (name) => byName.get(name)?.snapshot.columns.map((column) => column.name))
    const typeOf = (relation: string, column: string): string =>
      byName.get(relation)?.snapshot.columns.find((candidate) => candidate.name === column)?.type ?? ''
    const constants = await this.#constants(
      occurrences.flatMap(({ relation, conjuncts }) =>
        conjuncts.flatMap((conjunct) => usesOf(conjunct, (name) => typeOf(relation, name))),
      ),
    )
    const kept = new Map<string, { readonly segments: Set<number>; readonly prunedBy: Set<string> }>()
    for (const { relation, conjuncts } of occurrences) {
      const snapshot = byName.get(relation)?.snapshot
      if (snapshot === undefined) continue
      const result = kept.get(relation) ?? { segments: new Set(), prunedBy: new Set() }
      kept.set(relation, result)
      const ranges = this.#rangesOf(snapshot)
      const predicates = conjuncts.map((conjunct) => predicateOf(conjunct, (name) => typeOf(relation, name), constants))
      keepSegments(snapshot, ranges, conjuncts, predicates, result)
    }
    return new Map([...kept].map(([relation, { segments, prunedBy }]) => [relation, finished(segments, prunedBy)]))
  }

  #rangesOf(snapshot: Snapshot): ColumnRanges {
    const known = this.#ranges.get(snapshot) ?? new ColumnRanges(snapshot)
    this.#ranges.set(snapshot, known)
    return known
  }

  /** Values of constants, those that are not plain literals by one question to DuckDB; unknown where that fails. */
  async #constants(uses: readonly ConstantUse[]): Promise<ReadonlyMap<AstObject, ConstantValue>> {
    const values = new Map<AstObject, ConstantValue>()
    const open: ConstantUse[] = []
    for (const use of uses) {
      const value = literalValue(use)
      if (value === 'ask') open.push(use)
      else values.set(use.node, value)
    }
    if (open.length === 0 || open.length > 500) return values
    try {
      const select = { ...emptySelect, select_list: open.map(({ node }) => ({ ...node, alias: '' })) }
      const [printed = ''] = await this.#evaluator.print([select])
      const [answers = []] = await this.#evaluator.constants(constantsQuery(printed, open))
      for (const [index, use] of open.entries()) values.set(use.node, answeredValue(use, answers.slice(index * 4, index * 4 + 4)))
    } catch {
      // A constant that cannot be computed (overflow, a bad text) prunes nothing; the query itself will say what is wrong.
    }
    return values
  }
}

function keepSegments(
  snapshot: Snapshot,
  ranges: ColumnRanges,
  conjuncts: readonly Conjunct[],
  predicates: readonly Predicate[],
  result: { readonly segments: Set<number>; readonly prunedBy: Set<string> },
): void {
  const types = new Map(snapshot.columns.map((column) => [column.name, column.type]))
  const effective = new Set<Conjunct>()
  for (const [index, segment] of snapshot.segments.entries()) {
    const range = (column: string) => ranges.of(column, types.get(column) ?? '')[index]
    const by = conjuncts[predicates.findIndex((predicate) => !mayBeTrue(predicate, range))]
    if (by === undefined) result.segments.add(segment.ordinal)
    else effective.add(by)
  }
  for (const { expression } of effective) result.prunedBy.add(expressionText(expression, { literals: true }))
}

function usesOf(conjunct: Conjunct, typeOf: (column: string) => string): readonly ConstantUse[] {
  const uses: ConstantUse[] = []
  readPredicate(conjunct.expression, {
    column: conjunct.column,
    constant: (node, column) => {
      if (isConstant(node)) uses.push({ node, columnType: typeOf(column) })
      // An answer is needed for the reader to go on to the next constant; it is not used.
      return null
    },
  })
  return uses
}

function predicateOf(
  conjunct: Conjunct,
  typeOf: (column: string) => string,
  constants: ReadonlyMap<AstObject, ConstantValue>,
): Predicate {
  const predicate = readPredicate(conjunct.expression, {
    column: conjunct.column,
    constant: (node) => (isConstant(node) ? constants.get(node) : undefined),
  })
  return columnsOf(predicate).every((column) => typeOf(column) !== '') ? predicate : { kind: 'unknown' }
}

function finished(segments: ReadonlySet<number>, prunedBy: ReadonlySet<string>): Pruning {
  return { segments: [...segments].sort((a, b) => a - b), prunedBy: [...prunedBy] }
}
