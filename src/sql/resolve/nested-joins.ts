import { ForebayError } from '../../model/errors.js'
import type { Locate } from '../allow/check-allowed.js'
import type { AstObject } from '../ast-text.js'
import { child, textOf, walk } from '../ast-walk.js'

/**
 * Makes joins within joins such that DuckDB's own text of them means what they mean. It prints no brackets around joins, and
 * `a CROSS JOIN b` as `a , b`, which binds less than any other join: below another one it becomes `a INNER JOIN b ON (true)`. Changes
 * the tree. NOT_SUPPORTED where no text would do.
 */
export function nestJoins(node: AstObject, locate: Locate): void {
  walk(node, (part) => {
    if (part.type !== 'JOIN' || part.ref_type === 'CROSS') return true
    const [left, right] = [child(part, 'left'), child(part, 'right')]
    for (const side of [left, right]) if (side?.type === 'JOIN' && side.ref_type === 'CROSS') joinOnTrue(side)
    // These end with a table and no condition: what follows would be joined to the result.
    if (right?.type === 'JOIN' && (part.ref_type === 'NATURAL' || part.ref_type === 'POSITIONAL')) throw refusal(part, locate)
    return true
  })
}

function joinOnTrue(join: AstObject): void {
  const value = { type: { id: 'BOOLEAN', type_info: null }, is_null: false, value: true }
  join.ref_type = 'REGULAR'
  join.condition = { class: 'CONSTANT', type: 'VALUE_CONSTANT', alias: '', query_location: 0, value }
}

function refusal(join: AstObject, locate: Locate): ForebayError {
  const position = locate(join)
  return new ForebayError(
    'NOT_SUPPORTED',
    `a ${textOf(join, 'ref_type')} JOIN with joined tables in brackets on its right is not supported`,
    {
      ...(position === undefined ? {} : { position }),
      hint: 'write a subquery in their place: (SELECT * FROM … JOIN …) AS name',
    },
  )
}
