import { foldName } from '../../model/fold-name.js'
import type { AstObject } from '../ast-text.js'
import { children, isClass, rewrite, textOf, typedConstant, walk } from '../ast-walk.js'

/** One moment in the words of one time zone, as DuckDB casts them from text. */
export interface Moment {
  readonly timestampTz: string
  readonly timestamp: string
  readonly date: string
  readonly time: string
  readonly timeTz: string
}

type ClockType = readonly [keyof Moment, string]
const timestampTz: ClockType = ['timestampTz', 'TIMESTAMP WITH TIME ZONE']
const date: ClockType = ['date', 'DATE']
const time: ClockType = ['time', 'TIME']
const timeTz: ClockType = ['timeTz', 'TIME WITH TIME ZONE']
const timestamp: ClockType = ['timestamp', 'TIMESTAMP']

const clockFunctions: ReadonlyMap<string, ClockType> = new Map([
  ['now', timestampTz],
  ['get_current_timestamp', timestampTz],
  ['transaction_timestamp', timestampTz],
  ['current_date', date],
  ['today', date],
  ['get_current_time', timeTz],
  ['current_localtime', time],
  ['current_localtimestamp', timestamp],
])

/** Value functions that tell about the session or the catalogue. */
export const sessionColumns: ReadonlySet<string> = new Set([
  'current_catalog',
  'current_role',
  'current_schema',
  'current_user',
  'session_user',
  'user',
])

/** True for an expression that means another moment each time it runs. */
export function readsClock(node: AstObject): boolean {
  if (!isClass(node, 'FUNCTION')) return false
  const name = foldName(textOf(node, 'function_name'))
  const argumentCount = children(node).length
  return (clockFunctions.has(name) && argumentCount === 0) || ((name === 'age' || name === 'ago') && argumentCount === 1)
}

/** A copy in which each such expression is the literal that stands for it during one query. */
export function freezeClock(node: AstObject, moment: Moment): AstObject {
  return rewrite(node, (part) => (readsClock(part) ? frozen(part, moment) : undefined)) as AstObject
}

/** How many expressions of a bound plan read the clock. */
export function countClockReads(root: AstObject): number {
  let count = 0
  walk(root, (part) => {
    if (part.expression_class === 'BOUND_FUNCTION' && clockFunctions.has(textOf(part, 'name'))) count++
    return true
  })
  return count
}

function frozen(node: AstObject, moment: Moment): AstObject {
  const name = foldName(textOf(node, 'function_name'))
  // DuckDB defines age(t) as the age at today's midnight, and ago(i) as now() - i.
  if (name === 'age') return { ...node, children: [literal(moment, date, 'TIMESTAMP'), ...children(node)] }
  if (name === 'ago') {
    return { ...node, function_name: '-', is_operator: true, children: [literal(moment, timestampTz), ...children(node)] }
  }
  return { ...literal(moment, clockFunctions.get(name) ?? timestampTz), alias: node.alias ?? '' }
}

function literal(moment: Moment, [field, type]: ClockType, castTo = type): AstObject {
  return typedConstant(moment[field], castTo)
}
