import { call, columnRef } from '../ast.js'
import { type AstObject, type AstValue, numberText } from '../ast-text.js'
import { child, children, emptySelect, isClass, isObject, rewrite, textOf, texts, walk } from '../ast-walk.js'
import { printsAsAnotherType } from './bind-values.js'
import { readsClock } from './clock-functions.js'
import { isClockWord } from './clock-words.js'
import { isMethodCall } from './method-calls.js'

/** The parser's place of what is not written in the text, 2^64 - 1. */
const noLocation = 2 ** 64

/**
 * Gives select-list items without an alias the names that DuckDB would give them, which are their printed text, where that
 * text is about to change: items that hold a parameter, the clock, a constant that is printed as another type, a name with a
 * schema, a method call, a subquery, in which tables are, or what a tree does not keep as it was written. Changes the tree.
 */
export async function nameItems(
  node: AstObject,
  print: (nodes: readonly AstObject[]) => Promise<readonly string[]>,
): Promise<void> {
  const items = itemsToName(node)
  const selects = items.map((item) => ({ ...emptySelect, select_list: [asWritten(item)] }))
  const printed = selects.length === 0 ? [] : await print(selects)
  for (const [index, item] of items.entries()) item.alias = withoutMarks(printed[index]?.replace(/^SELECT /, '') ?? '')
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
  if (isParsersCast(part) || isWordLambda(part) || isTruthValue(part)) return true
  return readsClock(part) || isClockWord(part) || (isClass(part, 'CONSTANT') && printsAsAnotherType(part))
}

/**
 * A copy that prints as DuckDB names columns, once its marks are gone. It makes names before it knows the types, and then writes
 * `CAST(x AS "DATE")` and `DECIMAL(10, 2)`, but `CAST(x AS DATE)` and `DECIMAL(10,2)` once it knows them, as it does in a tree.
 */
function asWritten(item: AstObject): AstValue {
  return rewrite(item, (node) => {
    const type = child(node, 'cast_type')
    if (type !== undefined && !isParsersCast(node)) return { ...node, cast_type: unbound(type) }
    if (isWordLambda(node)) return { ...node, lhs: { ...call(marked('lambda'), lambdaParameters(node)), is_operator: false } }
    const infinite = infiniteText(node)
    return infinite === undefined ? undefined : columnRef(marked(infinite.replace('Infinity', '1e1000')))
  })
}

/** True for the cast of `INTERVAL x MONTH` to a DOUBLE, which alone stands at the place of what it casts. */
function isParsersCast(node: AstObject): boolean {
  return isClass(node, 'CAST') && node.query_location === child(node, 'child')?.query_location
}

/** True for what `IS TRUE` compares with, which is read back from its text as `CAST('t' AS BOOLEAN)`, as the word `true` is at once. */
function isTruthValue(node: AstObject): boolean {
  return isClass(node, 'CONSTANT') && child(child(node, 'value') ?? {}, 'type')?.id === 'BOOLEAN'
}

/** True for `lambda x: …` and what the parser makes of `[… FOR x IN …]`; the parameters of `x -> …` have a place. */
function isWordLambda(node: AstObject): boolean {
  return isClass(node, 'LAMBDA') && Number(numberText(child(node, 'lhs')?.query_location)) >= noLocation
}

function lambdaParameters(node: AstObject): readonly AstObject[] {
  const parameters = child(node, 'lhs')
  if (parameters === undefined) return []
  return isClass(parameters, 'FUNCTION') ? children(parameters) : [parameters]
}

/** The constant 1e400 as it is in its tree, from which DuckDB does not read it back. */
function infiniteText(node: AstObject): string | undefined {
  const text = isClass(node, 'CONSTANT') ? numberText(child(node, 'value')?.value) : undefined
  return text?.endsWith('Infinity') ? text : undefined
}

function unbound(type: AstValue): AstValue {
  if (Array.isArray(type)) return type.map(unbound)
  if (!isObject(type) || type.id === 'UNBOUND') return type
  const { width = null, scale = null } = child(type, 'type_info') ?? {}
  if (type.id === 'DECIMAL') return unboundType('DECIMAL', [width, scale])
  if (typeof type.id === 'string' && type.type_info === null) return unboundType(type.id)
  return Object.fromEntries(Object.entries(type).map(([key, value]) => [key, unbound(value)]))
}

function unboundType(name: string, modifiers: readonly AstValue[] = []): AstObject {
  const values = modifiers.map((value) => ({ type: { id: 'INTEGER', type_info: null }, is_null: false, value }))
  const info = { type: 'UNBOUND_TYPE_INFO', alias: '', extension_info: null, name, catalog: '', schema: '' }
  return { id: 'UNBOUND', type_info: { ...info, user_type_modifiers: values } }
}

/** A name that DuckDB prints in quotation marks, to be found in its text: private characters that no SQL is likely to hold. */
function marked(text: string): string {
  return `\ue0f2${text}\ue0f3`
}

function withoutMarks(printed: string): string {
  return printed.replace(/"\ue0f2lambda\ue0f3"\((.*?)\) -> /g, 'lambda $1: ').replace(/"\ue0f2([^\ue0f3]*)\ue0f3"/g, '$1')
}
