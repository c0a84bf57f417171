import { foldName } from '../../model/fold-name.js'
import { subqueryTable } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, rewrite, textOf, texts, walk } from '../ast-walk.js'
import { countReferences } from './block.js'
import { ctesOf } from './scope.js'

/**
 * Writes each CTE that is called once into its place, and drops those that nobody calls, so that the search for a block sees
 * one nest of subqueries. CTEs called several times stay. Where two CTEs share a name nothing is done: a name could be caught
 * by the wrong one.
 */
export function inlineCtes(root: AstObject): AstObject {
  let tree = root
  for (let entry = nextToInline(tree); entry !== undefined; entry = nextToInline(tree)) tree = inlined(tree, entry)
  return tree
}

function nextToInline(tree: AstObject): AstObject | undefined {
  const entries: AstObject[] = []
  walk(tree, (part) => {
    if (part.cte_map !== undefined) entries.push(...ctesOf(part))
    return true
  })
  const names = entries.map((entry) => foldName(textOf(entry, 'key')))
  if (new Set(names).size !== names.length) return undefined
  return entries.find((entry) => countReferences(tree, textOf(entry, 'key')) <= 1 && canInline(tree, entry))
}

function canInline(tree: AstObject, entry: AstObject): boolean {
  let fits = true
  walk(tree, (part) => {
    const renamed = texts(child(entry, 'value') ?? {}, 'aliases').length > 0
    if (isCall(part, entry) && renamed && texts(part, 'column_name_alias').length > 0) fits = false
    return fits
  })
  return fits && queryOf(entry) !== undefined && queryOf(entry)?.type !== 'RECURSIVE_CTE_NODE'
}

function isCall(part: AstObject, entry: AstObject): boolean {
  return part.type === 'BASE_TABLE' && foldName(textOf(part, 'table_name')) === foldName(textOf(entry, 'key'))
}

function queryOf(entry: AstObject): AstObject | undefined {
  return child(child(child(entry, 'value') ?? {}, 'query') ?? {}, 'node')
}

function inlined(tree: AstObject, entry: AstObject): AstObject {
  const key = textOf(entry, 'key')
  const query = queryOf(entry) as AstObject
  const aliases = texts(child(entry, 'value') ?? {}, 'aliases')
  return rewrite(tree, (part) => {
    if (isCall(part, entry)) {
      const renamed = texts(part, 'column_name_alias')
      const table = subqueryTable(query, textOf(part, 'alias') || key, renamed.length > 0 ? renamed : aliases)
      return { ...table, sample: part.sample ?? null }
    }
    if (part.cte_map === undefined) return undefined
    const kept = ctesOf(part).filter((candidate) => textOf(candidate, 'key') !== key)
    return { ...part, cte_map: { map: [...kept] } }
  }) as AstObject
}
