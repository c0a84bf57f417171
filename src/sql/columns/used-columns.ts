import { valueOf } from '../../model/by-name.js'
import { foldName } from '../../model/fold-name.js'
import type { Column, Snapshot } from '../../model/segment.js'
import type { AstObject } from '../ast-text.js'
import { child, children, isClass, isObject, textOf, texts, walk } from '../ast-walk.js'

/**
 * The columns of each relation that a statement needs to run: those that its bound plan refers to, and those that its text
 * names without reading them. Where the text counts columns, all of them.
 */
export function usedColumns(root: AstObject, node: AstObject): (relation: string, snapshot: Snapshot) => readonly Column[] {
  const read = readIndexes(root)
  const named = namedByStars(node)
  const counted = countedRelations(node)
  return (relation, snapshot) => {
    if (counted === 'all' || counted.has(relation)) return snapshot.columns
    const indexes = read.get(relation) ?? new Set()
    const kept = snapshot.columns.filter(({ name }, index) => indexes.has(index) || named.has(foldName(name)))
    return kept.length > 0 ? kept : cheapest(snapshot)
  }
}

function readIndexes(root: AstObject): ReadonlyMap<string, ReadonlySet<number>> {
  const used = new Map<string, Set<number>>()
  const visit = (operator: AstObject): void => {
    children(operator).forEach(visit)
    if (operator.type !== 'LOGICAL_GET') return
    const relation = textOf(child(operator, 'function_data') ?? {}, 'table')
    const indexes = used.get(relation) ?? new Set()
    used.set(relation, indexes)
    for (const column of children(operator, 'column_indexes')) if (typeof column.index === 'number') indexes.add(column.index)
  }
  visit(root)
  return used
}

/** Columns of EXCLUDE, REPLACE and RENAME must exist, although nothing may read them. */
function namedByStars(node: AstObject): ReadonlySet<string> {
  const names = new Set<string>()
  const lists = ['exclude_list', 'replace_list', 'rename_list', 'qualified_exclude_list']
  walk(node, (part) => {
    if (!isClass(part, 'STAR')) return true
    for (const list of lists) for (const name of textsWithin(part[list])) names.add(foldName(name))
    return true
  })
  return names
}

function textsWithin(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(textsWithin)
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsWithin) : []
}

/** Relations whose columns are used by their number: `FROM t AS x(a, b)` for one, `#1` for all. */
function countedRelations(node: AstObject): ReadonlySet<string> | 'all' {
  const relations = new Set<string>()
  let all = false
  walk(node, (part) => {
    if (isClass(part, 'POSITIONAL_REFERENCE')) all = true
    if (part.type === 'BASE_TABLE' && !isClassed(part) && texts(part, 'column_name_alias').length > 0) {
      relations.add(textOf(part, 'table_name'))
    }
    return !all
  })
  return all ? 'all' : relations
}

function isClassed(part: AstObject): boolean {
  return isObject(part) && typeof part.class === 'string'
}

/** A relation cannot be without columns: `count(*)` reads the one with the fewest bytes. */
function cheapest(snapshot: Snapshot): readonly Column[] {
  const [segment] = snapshot.segments
  const bytes = (column: Column): number => {
    if (snapshot.partitionColumns.includes(column.name)) return Number.MAX_SAFE_INTEGER
    const known = segment === undefined ? undefined : valueOf(segment.columnBytes, column.name)
    return known ?? (/^[A-Z]+(\(\d+,\d+\))?$/.test(column.type) && column.type !== 'VARCHAR' ? 1e12 : 1e13)
  }
  return [...snapshot.columns].sort((a, b) => bytes(a) - bytes(b)).slice(0, 1)
}
