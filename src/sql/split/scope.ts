import { foldName } from '../../model/fold-name.js'
import type { Column } from '../../model/segment.js'
import { call, columnRef, select, star } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, children, textConstant, textOf, texts } from '../ast-walk.js'
import { NotSplit } from './not-split.js'
import type { SplitContext } from './split.js'

/** One item of a FROM clause, by the name under which its columns are called. */
export interface ScopeTable {
  readonly alias: string
  readonly columns: readonly Column[]
  /** Set where the item is a dataset's placeholder. */
  readonly relation?: string
}

/** What names mean in one SELECT. */
export interface Scope {
  readonly tables: readonly ScopeTable[]
  /** Folded names of columns that USING merged and that are the left side's. */
  readonly using: ReadonlySet<string>
}

/** Reads a FROM tree. CTEs in `ctes` can be called in it. Throws NotSplit where names cannot be told for certain. */
export async function readScope(from: AstObject, ctes: readonly AstObject[], context: SplitContext): Promise<Scope> {
  const tables: ScopeTable[] = []
  const using = new Set<string>()
  const ofRightSides = new Set<string>()
  await collect(from)
  // A join of the left side's kind may stand around one of the other kind, over the same name.
  return { tables, using: new Set([...using].filter((name) => !ofRightSides.has(name))) }

  async function collect(table: AstObject): Promise<void> {
    if (table.type === 'EMPTY') return
    if (table.type === 'JOIN') {
      if (table.ref_type === 'NATURAL') throw new NotSplit('a NATURAL join')
      const merged = texts(table, 'using_columns').map(foldName)
      if (table.join_type === 'INNER' || table.join_type === 'LEFT') for (const name of merged) using.add(name)
      if (table.join_type === 'RIGHT' || table.join_type === 'FULL') for (const name of merged) ofRightSides.add(name)
      const [left, right] = [child(table, 'left'), child(table, 'right')]
      if (left !== undefined) await collect(left)
      // A semi or anti join shows the columns of its left side alone.
      if (right !== undefined && table.join_type !== 'SEMI' && table.join_type !== 'ANTI') await collect(right)
      return
    }
    tables.push(await read(table))
  }

  async function read(table: AstObject): Promise<ScopeTable> {
    const relation = context.relations.find((candidate) => isReferenceTo(table, candidate.relation))
    const alias = foldName(textOf(table, 'alias') || textOf(table, 'table_name'))
    const renamed = texts(table, 'column_name_alias')
    if (relation !== undefined) {
      return { alias, columns: rename(relation.columns, renamed), relation: relation.relation }
    }
    try {
      const [columns = []] = await context.bind([select({ items: [star()], from: table, ctes })])
      return { alias, columns }
    } catch {
      throw new NotSplit('a lateral item in FROM')
    }
  }
}

export function isReferenceTo(table: AstObject, name: string): boolean {
  return (
    table.type === 'BASE_TABLE' && textOf(table, 'schema_name') === '' && foldName(textOf(table, 'table_name')) === foldName(name)
  )
}

function rename(columns: readonly Column[], names: readonly string[]): readonly Column[] {
  return columns.map((column, index) => ({ ...column, name: names[index] ?? column.name }))
}

/** What a column reference stands for: a column of a table of the scope, with the fields that are taken out of it. */
export interface Resolved {
  readonly expression: AstObject
  readonly table: ScopeTable
  readonly column: Column
}

/** The column that a reference names; undefined where it names none of this scope. */
export function resolveColumn(scope: Scope, names: readonly string[]): Resolved | undefined {
  const [first = '', second, ...rest] = names
  const qualified = second === undefined ? [] : scope.tables.filter((table) => table.alias === foldName(first))
  if (qualified.length > 1) throw new NotSplit(`two tables called ${first}`)
  const [table] = qualified
  if (table !== undefined && second !== undefined) {
    const column = findColumn(table, second)
    if (column !== undefined) return resolved(table, column, rest)
  }
  const owners = scope.tables.flatMap((owner) => {
    const column = findColumn(owner, first)
    return column === undefined ? [] : [{ owner, column }]
  })
  const [one] = owners
  if (one === undefined) return undefined
  if (owners.length > 1 && !scope.using.has(foldName(first))) throw new NotSplit(`${first} is in more than one table`)
  return resolved(one.owner, one.column, names.slice(1))
}

function findColumn(table: ScopeTable, name: string): Column | undefined {
  const found = table.columns.filter((column) => foldName(column.name) === foldName(name))
  if (found.length > 1) throw new NotSplit(`two columns called ${name}`)
  return found[0]
}

function resolved(table: ScopeTable, column: Column, fields: readonly string[]): Resolved {
  // A subquery in FROM need not have a name.
  const base = table.alias === '' ? columnRef(column.name) : columnRef(table.alias, column.name)
  const expression = fields.reduce((struct, name) => call('struct_extract', [struct, textConstant(name)]), base)
  return { expression, table, column }
}

/** Items of a FROM tree, joins taken apart. */
export function fromItems(table: AstObject): readonly AstObject[] {
  if (table.type !== 'JOIN') return [table]
  return [child(table, 'left'), child(table, 'right')].flatMap((side) => (side === undefined ? [] : fromItems(side)))
}

/** The entries of a query node's WITH. */
export function ctesOf(node: AstObject): readonly AstObject[] {
  return children(child(node, 'cte_map') ?? {}, 'map')
}
