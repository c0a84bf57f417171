import type { AstObject, AstValue } from '../ast-text.js'
import { child, children, emptySelect, isClass, rewrite, textOf, texts, walk } from '../ast-walk.js'
import { printsAsAnotherType } from './bind-values.js'
import { readsClock } from './clock-functions.js'
import { isClockWord } from './clock-words.js'
import { isMethodCall } from './method-calls.js'

/**
 * Gives select-list items without an alias the names that DuckDB would give them, which are their printed text, where that
 * text is about to change: items that hold a parameter, the clock, a constant that is printed as another type, a name with a
 * schema, a method call, or a subquery, in which tables are. Changes the tree.
 */
export async function nameItems(
  node: AstObject,
  print: (nodes: readonly AstObject[]) => Promise<readonly string[]>,
): Promise<void> {
  const items = itemsToName(node)
  const selects = items.map((item) => ({ ...emptySelect, select_list: [asWritten(item)] }))
  // What cannot be printed (the constant 1e400) is left to be named after what takes its place.
  const printed = selects.length === 0 ? [] : await print(selects).catch(() => [])
  for (const [index, item] of items.entries()) item.alias = printed[index]?.replace(/^SELECT /, '') ?? ''
}

function itemsToName(node: AstObject): readonly AstObject[] {
  const items: AstObject[] = []
  walk(node, (query) => {
    for (const item of children(query, 'select_list')) {
      const keepsName = isClass(item, 'STAR') || isClass(item, 'COLUMN_REF')
      if (keepsName || textOf(item, 'alias') !== '') continue
      let found = false
      walk(item, (part) => {
        found ||= willChange(part)
        return !found
      })
      if (found) items.push(item)
    }
    return true
  })
  return items
}

/** Whether a name is a column is not known here: an item too many is given the name that it has anyway. */
function willChange(part: AstObject): boolean {
  if (isClass(part, 'COLUMN_REF') && texts(part, 'column_names').length > 2) return true
  if (isClass(part, 'SUBQUERY') || isClass(part, 'PARAMETER') || isMethodCall(part)) return true
  return readsClock(part) || isClockWord(part) || (isClass(part, 'CONSTANT') && printsAsAnotherType(part))
}

/**
 * A copy whose casts name their types as a statement does: DuckDB makes names before it knows the types, and then writes
 * `CAST(x AS "DATE")`, but `CAST(x AS DATE)` once it knows them, as it does in a tree.
 */
function asWritten(item: AstObject): AstValue {
  return rewrite(item, (node) => {
    const type = child(node, 'cast_type')
    return type?.type_info === null ? { ...node, cast_type: unbound(textOf(type, 'id')) } : undefined
  })
}

function unbound(name: string): AstObject {
  const info = { type: 'UNBOUND_TYPE_INFO', alias: '', extension_info: null, name, catalog: '', schema: '' }
  return { id: 'UNBOUND', type_info: info }
}
