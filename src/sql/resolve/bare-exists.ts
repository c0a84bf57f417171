import type { AstObject } from '../ast-text.js'
import { child, children, isClass, nullConstant, rewrite } from '../ast-walk.js'

/**
 * `EXISTS (SELECT * FROM …)` asks for rows and not for their columns, but bound as it stands it reads them all, and then packs
 * need all of them. Where nothing can refer to the star's columns it becomes `EXISTS (SELECT NULL FROM …)`. DuckDB's optimizer
 * would drop the columns too, but only after the plan has been read.
 */
export function bareExists(node: AstObject): AstObject {
  return rewrite(node, (part) => {
    if (!isClass(part, 'SUBQUERY') || part.subquery_type !== 'EXISTS') return undefined
    const subquery = child(part, 'subquery')
    const select = subquery === undefined ? undefined : child(subquery, 'node')
    if (subquery === undefined || select === undefined || !asksForRowsOnly(select)) return undefined
    return { ...part, subquery: { ...subquery, node: { ...select, select_list: [nullConstant()] } } }
  }) as AstObject
}

/** True for `SELECT * FROM … WHERE …` and nothing more: modifiers may count columns, and groups make a star an error. */
function asksForRowsOnly(select: AstObject): boolean {
  const [item, ...more] = children(select, 'select_list')
  if (select.type !== 'SELECT_NODE' || item === undefined || more.length > 0 || !isWholeStar(item)) return false
  const lists = ['modifiers', 'group_expressions', 'group_sets']
  const clauses = ['having', 'qualify', 'sample']
  return (
    child(select, 'from_table')?.type !== 'EMPTY' &&
    select.aggregate_handling === 'STANDARD_HANDLING' &&
    lists.every((key) => isEmpty(select[key])) &&
    clauses.every((key) => child(select, key) === undefined)
  )
}

/** A star of one table may name a table that does not exist; `COLUMNS(…)` may match nothing: both stay, to be complained about. */
function isWholeStar(item: AstObject): boolean {
  const lists = ['exclude_list', 'replace_list', 'qualified_exclude_list', 'rename_list']
  return (
    isClass(item, 'STAR') &&
    item.relation_name === '' &&
    item.columns === false &&
    child(item, 'expr') === undefined &&
    lists.every((key) => isEmpty(item[key]))
  )
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}
