import { foldName } from '../../model/fold-name.js'
import type { AstObject, AstValue } from '../ast-text.js'
import { child, children, isClass, isObject, textOf, texts, walk } from '../ast-walk.js'

/** A reference to a dataset in FROM, and conjuncts over its columns of which every row that matters makes all true. */
export interface Occurrence {
  readonly relation: string
  readonly conjuncts: readonly Conjunct[]
}

export interface Conjunct {
  readonly expression: AstObject
  /** The dataset's column behind a column reference, or undefined where it is something else's. */
  readonly column: (node: AstObject) => string | undefined
}

/** Something in FROM that gives columns. */
interface Item {
  readonly reference: AstObject
  readonly alias: string
  /** Folded name → name; undefined where the columns are not known here. */
  readonly columns: ReadonlyMap<string, string> | undefined
}

/** A conjunct as its own SELECT sees it; `column` resolves to (item, column) there. */
interface ScopedConjunct {
  readonly expression: AstObject
  readonly column: (node: AstObject) => { readonly item: AstObject; readonly column: string } | undefined
}

/**
 * Finds what may prune: for every reference to a dataset the conjuncts of the WHERE and ON around it that its rows must
 * satisfy to have any part in the answer. What each join lets through:
 *   inner, cross   both sides by WHERE and by ON
 *   left           the left side by WHERE, the right side by ON (a right row that fails ON is as good as absent)
 *   right          the mirror of left
 *   semi, anti     the left side by WHERE (semi: by ON too), the right side by ON
 *   asof           the left side by WHERE; the right side decides by its neighbours, so nothing
 *   full, positional  nothing
 * A conjunct goes on into a subquery or a CTE that is used once, where its column is a plain column there and no LIMIT,
 * window, QUALIFY, sample or aggregate (but by that very column) stands between. Names used by USING or NATURAL are left out.
 */
export function findOccurrences(
  root: AstObject,
  columnsOf: (relation: string) => readonly string[] | undefined,
): readonly Occurrence[] {
  const finder = new OccurrenceFinder(root, columnsOf)
  return finder.find()
}

class OccurrenceFinder {
  readonly #root: AstObject
  readonly #columnsOf: (relation: string) => readonly string[] | undefined
  readonly #found = new Map<AstObject, Conjunct[]>()
  readonly #ctesUsedOnce: ReadonlyMap<string, AstObject>

  constructor(root: AstObject, columnsOf: (relation: string) => readonly string[] | undefined) {
    this.#root = root
    this.#columnsOf = columnsOf
    this.#ctesUsedOnce = ctesUsedOnce(root)
  }

  find(): readonly Occurrence[] {
    walk(this.#root, (node) => {
      if (node.type === 'SELECT_NODE' && node.class === undefined) this.#select(node, [])
      if (isDataset(node, this.#columnsOf) && !this.#found.has(node)) this.#found.set(node, [])
      return true
    })
    return [...this.#found].map(([reference, conjuncts]) => ({ relation: textOf(reference, 'table_name'), conjuncts }))
  }

  /** Goes through one SELECT with conjuncts that come from around it, in terms of this SELECT's own FROM. */
  #select(node: AstObject, pushed: readonly ScopedConjunct[]): void {
    const from = child(node, 'from_table')
    if (from === undefined || child(node, 'sample') !== undefined) return
    const items = itemsOf(from, this.#columnsOf)
    const scoped = (expression: AstObject | undefined): readonly ScopedConjunct[] =>
      splitConjunction(expression).map((part) => ({ expression: part, column: (ref) => resolveColumn(ref, items, from) }))
    this.#from(from, [...scoped(child(node, 'where_clause')), ...pushed], scoped)
  }

  #from(
    node: AstObject,
    conjuncts: readonly ScopedConjunct[],
    scoped: (expression: AstObject | undefined) => readonly ScopedConjunct[],
  ): void {
    if (node.type === 'JOIN') this.#join(node, conjuncts, scoped)
    else if (child(node, 'sample') !== undefined) return
    else if (isDataset(node, this.#columnsOf)) this.#record(node, conjuncts)
    else {
      const inner = this.#innerQuery(node)
      if (inner !== undefined) this.#pushInto(inner, node, conjuncts)
    }
  }

  #join(
    node: AstObject,
    conjuncts: readonly ScopedConjunct[],
    scoped: (expression: AstObject | undefined) => readonly ScopedConjunct[],
  ): void {
    const left = child(node, 'left')
    const right = child(node, 'right')
    if (left === undefined || right === undefined) return
    const on = scoped(child(node, 'condition'))
    const go = (forLeft: readonly ScopedConjunct[], forRight: readonly ScopedConjunct[]): void => {
      this.#from(left, forLeft, scoped)
      this.#from(right, forRight, scoped)
    }
    const reference = textOf(node, 'ref_type')
    if (reference === 'POSITIONAL') return go([], [])
    const type = textOf(node, 'join_type')
    if (reference === 'ASOF') return go(type === 'INNER' || type === 'LEFT' ? conjuncts : [], [])
    if (type === 'INNER') return go([...conjuncts, ...on], [...conjuncts, ...on])
    if (type === 'LEFT') return go(conjuncts, on)
    if (type === 'RIGHT') return go(on, conjuncts)
    if (type === 'SEMI') return go([...conjuncts, ...on], on)
    if (type === 'ANTI') return go(conjuncts, on)
    return go([], [])
  }

  #record(reference: AstObject, conjuncts: readonly ScopedConjunct[]): void {
    const known = this.#found.get(reference) ?? []
    this.#found.set(reference, known)
    for (const { expression, column } of conjuncts) {
      known.push({
        expression,
        column: (node) => {
          const found = column(node)
          return found?.item === reference ? found.column : undefined
        },
      })
    }
  }

  #innerQuery(node: AstObject): AstObject | undefined {
    if (texts(node, 'column_name_alias').length > 0) return undefined
    if (node.type === 'SUBQUERY') return child(child(node, 'subquery') ?? {}, 'node')
    return node.type === 'BASE_TABLE' ? this.#ctesUsedOnce.get(foldName(textOf(node, 'table_name'))) : undefined
  }

  #pushInto(inner: AstObject, reference: AstObject, conjuncts: readonly ScopedConjunct[]): void {
    if (conjuncts.length === 0 || !passesFilters(inner)) return
    const from = child(inner, 'from_table') as AstObject
    const items = itemsOf(from, this.#columnsOf)
    const pushed = conjuncts.map(({ expression, column }) => ({
      expression,
      column: (node: AstObject) => {
        const outer = column(node)
        if (outer === undefined || outer.item !== reference) return undefined
        const source = outputColumn(inner, outer.column)
        return source === undefined ? undefined : resolveColumn(source, items, from)
      },
    }))
    this.#select(inner, pushed)
  }
}

function isDataset(node: AstObject, columnsOf: (relation: string) => readonly string[] | undefined): boolean {
  return node.type === 'BASE_TABLE' && node.class === undefined && columnsOf(textOf(node, 'table_name')) !== undefined
}

/** CTEs whose name is given once in the whole statement and that are referred to once. */
function ctesUsedOnce(root: AstObject): ReadonlyMap<string, AstObject> {
  const definitions = new Map<string, AstObject[]>()
  const uses = new Map<string, number>()
  walk(root, (node) => {
    for (const entry of children(child(node, 'cte_map') ?? {}, 'map')) {
      const value = child(entry, 'value')
      const query = child(child(value ?? {}, 'query') ?? {}, 'node')
      const name = foldName(textOf(entry, 'key'))
      const plain = query !== undefined && texts(value ?? {}, 'aliases').length === 0
      definitions.set(name, [...(definitions.get(name) ?? []), ...(plain ? [query] : [{}])])
    }
    if (node.type === 'BASE_TABLE' && node.class === undefined) {
      const name = foldName(textOf(node, 'table_name'))
      uses.set(name, (uses.get(name) ?? 0) + 1)
    }
    return true
  })
  const once = new Map<string, AstObject>()
  for (const [name, [definition, ...more]] of definitions) {
    if (definition !== undefined && more.length === 0 && uses.get(name) === 1) once.set(name, definition)
  }
  return once
}

/** Everything in FROM that gives columns, joins taken apart. */
function itemsOf(from: AstObject, columnsOf: (relation: string) => readonly string[] | undefined): readonly Item[] {
  if (from.type === 'JOIN') {
    const sides = [child(from, 'left'), child(from, 'right')].filter((side) => side !== undefined)
    return sides.flatMap((side) => itemsOf(side, columnsOf))
  }
  const names = from.type === 'BASE_TABLE' ? columnsOf(textOf(from, 'table_name')) : undefined
  const renamed = texts(from, 'column_name_alias').length > 0
  const columns = names === undefined || renamed ? undefined : new Map(names.map((name) => [foldName(name), name]))
  return [{ reference: from, alias: foldName(textOf(from, 'alias') || textOf(from, 'table_name')), columns }]
}

/** The item and column that a reference means, where that is certain. */
function resolveColumn(
  node: AstObject,
  items: readonly Item[],
  from: AstObject,
): { readonly item: AstObject; readonly column: string } | undefined {
  if (!isClass(node, 'COLUMN_REF')) return undefined
  const [first = '', second, ...more] = texts(node, 'column_names')
  if (more.length > 0) return undefined
  if (second !== undefined) {
    const [item, ...others] = items.filter(({ alias }) => alias === foldName(first))
    return item === undefined || others.length > 0 ? undefined : columnIn(item, second)
  }
  if (joinedByName(from, foldName(first))) return undefined
  const known = items.filter(({ columns }) => columns?.has(foldName(first)))
  // With one unknown item only, and nothing else that has the name, the name is its.
  const candidates = known.length > 0 ? known : items.filter(({ columns }) => columns === undefined)
  const [item, ...others] = candidates
  return item === undefined || others.length > 0 ? undefined : columnIn(item, first)
}

function columnIn(item: Item, name: string): { readonly item: AstObject; readonly column: string } | undefined {
  const column = item.columns === undefined ? name : item.columns.get(foldName(name))
  return column === undefined ? undefined : { item: item.reference, column }
}

/** A column of USING or of a NATURAL join belongs to both sides, and which value it has depends on the join. */
function joinedByName(from: AstObject, name: string): boolean {
  if (from.type !== 'JOIN') return false
  if (from.ref_type === 'NATURAL' || texts(from, 'using_columns').some((column) => foldName(column) === name)) return true
  return [child(from, 'left'), child(from, 'right')].some((side) => side !== undefined && joinedByName(side, name))
}

function splitConjunction(expression: AstObject | undefined): readonly AstObject[] {
  if (expression === undefined) return []
  return expression.type === 'CONJUNCTION_AND' ? children(expression).flatMap(splitConjunction) : [expression]
}

/** True for a SELECT of which a filter on its plain output columns may as well be applied to its input. */
function passesFilters(node: AstObject): boolean {
  if (node.type !== 'SELECT_NODE' || child(node, 'sample') !== undefined || child(node, 'qualify') !== undefined) return false
  if (children(child(node, 'cte_map') ?? {}, 'map').length > 0) return false
  const plainModifier = (modifier: AstObject): boolean =>
    modifier.type === 'ORDER_MODIFIER' ||
    (modifier.type === 'DISTINCT_MODIFIER' && children(modifier, 'distinct_on_targets').length === 0)
  if (!children(node, 'modifiers').every(plainModifier)) return false
  let computesOverRows = false
  walk([...children(node, 'select_list')] as AstValue, (part) => {
    computesOverRows ||= isClass(part, 'WINDOW')
    return !computesOverRows
  })
  return !computesOverRows && child(node, 'from_table') !== undefined && child(node, 'having') === undefined && plainGroups(node)
}

/** No grouping, or one set of plain columns; a SELECT of aggregates without GROUP BY is told by its functions. */
function plainGroups(node: AstObject): boolean {
  const groups = children(node, 'group_expressions')
  const sets = Array.isArray(node.group_sets) ? node.group_sets : []
  if (groups.length > 0 || sets.length > 0) return sets.length <= 1
  if (node.aggregate_handling === 'FORCE_AGGREGATES') return true
  return children(node, 'select_list').every((item) => isClass(item, 'COLUMN_REF') || isClass(item, 'STAR') || isScalar(item))
}

/** Without a catalogue one cannot tell an aggregate from another function: only operators and casts count as scalar. */
function isScalar(item: AstObject): boolean {
  let scalar = true
  walk(item, (part) => {
    if (isClass(part, 'FUNCTION') && part.is_operator !== true) scalar = false
    return scalar && !isClass(part, 'SUBQUERY')
  })
  return scalar
}

/** The expression behind an output column, where it is a plain column: of the select list, or of a star. */
function outputColumn(node: AstObject, name: string): AstObject | undefined {
  const wanted = foldName(name)
  const items = children(node, 'select_list')
  const nameOf = (item: AstObject): string => foldName(textOf(item, 'alias') || (texts(item, 'column_names').at(-1) ?? ''))
  const named = items.filter((item) => !isClass(item, 'STAR') && nameOf(item) === wanted)
  const stars = items.filter((item) => isClass(item, 'STAR'))
  const [item, ...others] = named
  if (item !== undefined) {
    if (others.length > 0 || stars.length > 0 || !isClass(item, 'COLUMN_REF')) return undefined
    return groupsBy(node, item, items.indexOf(item)) ? item : undefined
  }
  const [star, ...moreStars] = stars
  if (star === undefined || moreStars.length > 0 || !isPlainStar(star) || groupedAtAll(node)) return undefined
  const qualifier = textOf(star, 'relation_name')
  return {
    class: 'COLUMN_REF',
    type: 'COLUMN_REF',
    alias: '',
    query_location: 0,
    column_names: qualifier === '' ? [name] : [qualifier, name],
  }
}

function isPlainStar(star: AstObject): boolean {
  const lists = ['exclude_list', 'replace_list', 'rename_list', 'qualified_exclude_list']
  const empty = lists.every((list) => !Array.isArray(star[list]) || (star[list] as readonly unknown[]).length === 0)
  return empty && star.columns === false && !isObject(star.expr)
}

function groupedAtAll(node: AstObject): boolean {
  return children(node, 'group_expressions').length > 0 || node.aggregate_handling === 'FORCE_AGGREGATES'
}

/** True where a plain column of the select list is a group key, or nothing is grouped. */
function groupsBy(node: AstObject, item: AstObject, index: number): boolean {
  const groups = children(node, 'group_expressions')
  if (groups.length === 0) return true
  const names = texts(item, 'column_names').map(foldName).join('.')
  return groups.some((group) => {
    if (isClass(group, 'COLUMN_REF')) return texts(group, 'column_names').map(foldName).join('.') === names
    const value = child(group, 'value')
    return isClass(group, 'CONSTANT') && value?.value === index + 1
  })
}
