import { foldName } from '../../model/fold-name.js'
import { partialsRelation } from '../../model/query.js'
import type { Column } from '../../model/segment.js'
import { subqueryTable } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, rewrite, textOf } from '../ast-walk.js'
import {
  type Block,
  type BlockSplit,
  calledCtes,
  countReferences,
  queryNodes,
  tableNames,
  withCtes,
  withoutUnusedCtes,
} from './block.js'
import { findBlock, isGrouped, type Place } from './find-block.js'
import { inlineCtes } from './inline-ctes.js'
import { NotSplit } from './not-split.js'
import { refusal } from './refusals.js'
import { isSmallBeside, largestFirst } from './relation-sizes.js'
import { checkHandedOn, checkRest } from './reproducible.js'
import type { Split, SplitContext, SplitRelation, SplitTrees } from './split.js'
import { splitAggregation } from './split-aggregation.js'
import { splitRows } from './split-rows.js'

/**
 * Splits a resolved SELECT into leaf, merge and root where the three are proven to give what the whole gives, whatever the
 * shares of the leaves and however many levels merge them; else says why not.
 *
 * The statement is a nest of query nodes, and one dataset in it is shared out: the largest that is read in one place. Around
 * that place the search finds the outermost SELECT that can be shared out with it, the *block*. Leaves run the block's FROM and
 * WHERE with their share of the dataset and all of the small ones; the root runs the whole statement with the block replaced by
 * what finishes the partials. Rejected: rewriting DuckDB's bound plan, which has no way back to SQL, and splitting by text.
 *
 * What is not proven is refused by `NotSplit`, anywhere below. In the end the pieces are bound and must have the whole's
 * columns, so that a hole in the proof about types shows as a query that runs whole, never as a wrong answer.
 */
export async function splitSelect(node: AstObject, context: SplitContext): Promise<Split> {
  const why = refusal(node)
  if (why !== undefined) return { shape: 'whole', why }
  if (context.relations.length === 0) return { shape: 'whole', why: 'no dataset is read' }
  const tree = withoutUnusedCtes(inlineCtes(node))
  const read = tableNames(tree)
  let first: string | undefined
  for (const shared of largestFirst(context.relations.filter(({ relation }) => read.has(relation)))) {
    const split = await attempt(() => splitOver(tree, shared, context))
    if (split.shape === 'split') return split
    first ??= split.why
  }
  return { shape: 'whole', why: first ?? 'no dataset is read' }
}

async function attempt(run: () => Promise<SplitTrees>): Promise<Split> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof NotSplit) return { shape: 'whole', why: error.message }
    // The parts were made of a statement that binds: one that does not is a form that was not thought of.
    return {
      shape: 'whole',
      why: `the parts do not bind: ${String(error instanceof Error ? error.message : error).split('\n')[0]}`,
    }
  }
}

async function splitOver(tree: AstObject, relation: SplitRelation, context: SplitContext): Promise<SplitTrees> {
  const references = countReferences(tree, relation.relation)
  if (references > 1) throw new NotSplit(`${relation.dataset} is read in ${references} places`)
  const place = findBlock(tree, relation.relation)
  await checkRest(tree, place.block, context)
  const block = await readBlock(tree, place, context)
  const split = isGrouped(block.node) ? await splitAggregation(block) : await splitRows(block)
  checkHandedOn(
    place.outer,
    place.throughFrom,
    new Set(split.inexactColumns.map((index) => foldName(block.columns[index]?.name ?? ''))),
  )
  const root = withoutUnusedCtes(replaceNode(tree, block.node, split.root))
  const broadcast = relationsOf(split.leaf, context).filter((name) => name !== relation.relation)
  const rootReads = relationsOf(root, context)
  checkSmall([...broadcast, ...rootReads], relation, context)
  const partials = await boundPartials({ ...split, root }, context)
  return {
    shape: 'split',
    why: `${split.what} over ${relation.dataset}`,
    distributed: relation.relation,
    broadcast,
    rootReads,
    leaf: split.leaf,
    merge: split.merge,
    root,
    partials,
    partial: split.partial,
    ...(split.partialRowsMax === undefined ? {} : { partialRowsMax: split.partialRowsMax }),
    exact: split.exact,
    groupColumns: split.groupColumns,
  }
}

async function readBlock(tree: AstObject, place: Place, context: SplitContext): Promise<Block> {
  const node = place.block
  const from = child(node, 'from_table')
  const visible = queryNodes(tree).find((candidate) => candidate.node === node)?.ctes ?? []
  if (from === undefined) throw new NotSplit('no FROM')
  const ctes = calledCtes({ ...node, cte_map: { map: [] } }, visible)
  const columns = node === tree ? context.columns : await bindBlock(withCtes(node, ctes), context)
  return { node, from, ctes, columns, context }
}

async function bindBlock(node: AstObject, context: SplitContext): Promise<readonly Column[]> {
  try {
    const [columns = []] = await context.bind([node])
    return columns
  } catch {
    throw new NotSplit('the large dataset is read in a correlated subquery')
  }
}

function replaceNode(tree: AstObject, node: AstObject, replacement: AstObject): AstObject {
  if (tree === node) return replacement
  const copy: AstObject = {}
  for (const key in tree) copy[key] = replaceIn(tree[key] as AstObject[string])
  return copy

  function replaceIn(value: AstObject[string]): AstObject[string] {
    if (Array.isArray(value)) return value.map(replaceIn)
    return typeof value === 'object' && value !== null ? replaceNode(value, node, replacement) : value
  }
}

function relationsOf(tree: AstObject, context: SplitContext): readonly string[] {
  const names = tableNames(tree)
  return context.relations.map(({ relation }) => relation).filter((relation) => names.has(relation))
}

function checkSmall(names: readonly string[], shared: SplitRelation, context: SplitContext): void {
  for (const relation of context.relations) {
    if (!names.includes(relation.relation) || isSmallBeside(relation, shared)) continue
    throw new NotSplit(`${relation.dataset} is too large to be read by every node`)
  }
}

/** In a type as DuckDB prints it: what `row(…)` makes. No file can hold one. */
const unnamedStruct = /\bSTRUCT\((?!"(?:[^"]|"")*"\s|[A-Za-z_]\w*\s+(?!WITH TIME ZONE))/

/** Binds the parts, holds their columns against the whole's, and gives those of a partial. */
async function boundPartials(
  split: Pick<BlockSplit, 'leaf' | 'merge' | 'root'>,
  context: SplitContext,
): Promise<readonly Column[]> {
  const [leaf = [], merged = [], final = []] = await context.bind([
    split.leaf,
    overPartials(split.merge, split.leaf),
    overPartials(split.root, split.leaf),
  ])
  if (leaf.some(({ type }) => unnamedStruct.test(type))) throw new NotSplit('a struct whose fields have no names')
  if (!sameColumns(leaf, merged)) throw new NotSplit('merging changes the types of partials')
  if (!sameColumns(context.columns, final)) throw new NotSplit('splitting changes the columns of the result')
  return leaf
}

function overPartials(tree: AstObject, leaf: AstObject): AstObject {
  return rewrite(tree, (part) => {
    const isPartials = part.type === 'BASE_TABLE' && textOf(part, 'table_name') === partialsRelation
    return isPartials ? subqueryTable(leaf, textOf(part, 'alias') || partialsRelation) : undefined
  }) as AstObject
}

function sameColumns(a: readonly Column[], b: readonly Column[]): boolean {
  return a.length === b.length && a.every((column, index) => column.name === b[index]?.name && column.type === b[index]?.type)
}
