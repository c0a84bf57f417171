import { foldName } from '../../model/fold-name.js'
import { volatileFunctions } from '../allow/allowed-functions.js'
import type { AstObject } from '../ast-text.js'
import { child, textOf, walk } from '../ast-walk.js'
import { orderSensitiveAggregates, wholeAggregates } from './aggregate-names.js'

/** The first thing in a statement that no split can keep equal, in words; undefined where there is none. */
export function refusal(tree: AstObject): string | undefined {
  let why: string | undefined
  walk(tree, (part) => {
    why ??= refusalOf(part)
    return why === undefined
  })
  return why
}

function refusalOf(part: AstObject): string | undefined {
  if (part.class === 'FUNCTION') return functionRefusal(foldName(textOf(part, 'function_name')))
  if (part.class === 'WINDOW') return 'a window function'
  if (part.class === 'COLLATE') return 'a collation, which partial results do not keep'
  if (child(part, 'sample') !== undefined) return 'a sample'
  switch (part.type) {
    case 'RECURSIVE_CTE_NODE':
      return 'a recursive CTE'
    case 'PIVOT':
    case 'SHOW_REF':
      return `${part.type === 'PIVOT' ? 'PIVOT' : 'DESCRIBE'} inside a query`
    case 'JOIN':
      return joinRefusal(textOf(part, 'ref_type'))
    default:
      return undefined
  }
}

function functionRefusal(name: string): string | undefined {
  if (volatileFunctions.has(name)) return `${name}() gives something else each time`
  if (orderSensitiveAggregates.has(name)) return `${name}() depends on the order of rows`
  if (wholeAggregates.has(name)) return `${name}() needs all rows at once`
  return name === 'alias' ? 'alias() tells how a column is written' : undefined
}

function joinRefusal(reference: string): string | undefined {
  if (reference === 'POSITIONAL') return 'a positional join depends on the order of rows'
  return reference === 'ASOF' ? 'an ASOF join' : undefined
}
