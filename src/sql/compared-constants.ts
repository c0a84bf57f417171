import { quoteText } from '../model/quote.js'
import type { AstObject, AstValue } from './ast-text.js'
import { child, isClass, isObject, textConstant, textOf } from './ast-walk.js'
import { literalText, shortened } from './template.js'

/** Where conditions on single rows are; what follows from one is true, false or NULL, whatever the constants in it. */
const conditionKeys = new Set(['where_clause', 'condition'])
/** DuckDB holds the expressions in these against each other, and names columns after those in the first. */
const matchedKeys = new Set(['select_list', 'group_expressions', 'having', 'qualify', 'modifiers'])
const comparingFunctions = new Set(['~~', '!~~', '~~*', '!~~*'])
const arithmetic = new Set(['+', '-', '*', '/'])

/** `operand`: in what is compared, down to its constants; `condition`: elsewhere in a condition. */
type Place = 'outside' | 'condition' | 'operand'

/**
 * A copy of a tree in which the constants that conditions compare with are replaced; what is not changed is shared. Neither the
 * columns of an answer nor what they come from depend on them, unlike constants in the arguments of functions, which may decide
 * their type.
 */
function replaceCompared(tree: AstObject, replace: (constant: AstObject) => AstObject, shorten = false): AstObject {
  const visit = (value: AstValue, place: Place): AstValue => {
    if (Array.isArray(value)) return visitEach(value, place)
    if (!isObject(value)) return value
    if (value.class === 'CONSTANT') return place === 'operand' ? replace(value) : value
    const node = shorten ? shortened(value, 2) : value
    const within = placeWithin(node, place)
    let copy = node
    for (const key in node) {
      if (matchedKeys.has(key)) continue
      const before = node[key] as AstValue
      if (typeof before !== 'object' || before === null) continue
      const after = visit(before, conditionKeys.has(key) ? 'condition' : within)
      if (after === before) continue
      if (copy === node) copy = { ...node }
      copy[key] = after
    }
    return copy
  }
  const visitEach = (values: AstValue[], place: Place): AstValue[] => {
    let copy = values
    for (const [index, before] of values.entries()) {
      const after = visit(before, place)
      if (after === before) continue
      if (copy === values) copy = [...values]
      copy[index] = after
    }
    return copy
  }
  return visit(tree, 'outside') as AstObject
}

function placeWithin(node: AstObject, place: Place): Place {
  if (place === 'outside' || typeof node.class !== 'string') return 'outside'
  switch (node.class) {
    case 'COMPARISON':
    case 'BETWEEN':
      return 'operand'
    case 'OPERATOR':
      return node.type === 'COMPARE_IN' || node.type === 'COMPARE_NOT_IN' ? 'operand' : 'condition'
    case 'CAST':
      return place
    case 'FUNCTION': {
      const name = textOf(node, 'function_name')
      if (comparingFunctions.has(name)) return 'operand'
      return arithmetic.has(name) ? place : 'condition'
    }
    case 'SUBQUERY':
      return 'outside'
    default:
      return 'condition'
  }
}

/** The same statement with those constants put to one of their type, and lists of them cut short: it binds to the same columns. */
export function asBound(tree: AstObject): AstObject {
  return replaceCompared(tree, (constant) => (sqlText(constant) === undefined ? constant : ofItsType(constant)), true)
}

function ofItsType(constant: AstObject): AstObject {
  const value = child(constant, 'value') ?? {}
  const isText = textOf(child(value, 'type') ?? {}, 'id') === 'VARCHAR'
  return { ...constant, value: { ...value, value: isText ? '' : 1 } }
}

/** A tree with such constants taken out, to be printed once and filled for each statement of its kind. */
export interface Form {
  readonly node: AstObject
  /** The constants as SQL. */
  readonly texts: readonly string[]
  /** Where each stands in the statement's text, as the parser has it. */
  readonly places: readonly AstValue[]
}

/** A form as SQL, with holes, and what to fill it with. */
export interface SqlForm extends Omit<Form, 'node'> {
  readonly printed: string
}

/** Private characters that no SQL is likely to hold; a text that does is found not to fit. */
const hole = '\ue0f1'
const printedHole = new RegExp(`'${hole}(\\d+)${hole}'`, 'g')

export function formOf(tree: AstObject): Form {
  const texts: string[] = []
  const places: AstValue[] = []
  const node = replaceCompared(tree, (constant) => {
    const text = sqlText(constant)
    if (text === undefined) return constant
    texts.push(text)
    places.push(constant.query_location ?? null)
    return { ...textConstant(`${hole}${texts.length - 1}${hole}`), alias: constant.alias ?? '' }
  })
  return { node, texts, places }
}

/** The printed form with its constants; undefined where not each of them has its one place. */
export function fillForm(printed: string, texts: readonly string[]): string | undefined {
  const seen = new Set<number>()
  let places = 0
  const filled = printed.replace(printedHole, (_, index: string) => {
    places++
    seen.add(Number(index))
    return texts[Number(index)] ?? ''
  })
  return places === texts.length && seen.size === places && !filled.includes(hole) ? filled : undefined
}

/** How DuckDB prints a plain constant of a condition; undefined for those that it may print in another way. */
export function sqlText(constant: AstObject): string | undefined {
  const value = child(constant, 'value') ?? {}
  const type = child(value, 'type') ?? {}
  if (!isClass(constant, 'CONSTANT') || value.is_null !== false) return undefined
  if (type.id === 'VARCHAR' && typeof value.value === 'string') {
    return /^[ -~\u00a0-\ud7ff]*$/.test(value.value) ? quoteText(value.value) : undefined
  }
  if (type.id !== 'INTEGER' && type.id !== 'BIGINT' && type.id !== 'DECIMAL') return undefined
  // A DECIMAL of more than 18 digits has two numbers in the tree.
  if (isObject(value.value)) return undefined
  const text = literalText(constant)
  return /^\d+(?:\.\d+)?$/.test(text) ? text : undefined
}
