import { foldName } from '../../model/fold-name.js'
import type { AstObject } from '../ast-text.js'
import { children, isClass, textOf, texts, typedConstant } from '../ast-walk.js'

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

/** SQL's value functions: in the tree they are columns, and where a table has such a column they are. */
const clockColumns: ReadonlyMap<string, ClockType> = new Map([
  ['current_date', date],
  ['current_time', timeTz],
  ['current_timestamp', timestampTz],
  ['localtime', time],
  ['localtimestamp', timestamp],
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
export function readsClock(node: AstObject, isColumn: (name: string) => boolean): boolean {
  if (isClass(node, 'COLUMN_REF')) return clockColumn(node, isColumn) !== undefined
  if (!isClass(node, 'FUNCTION')) return false
  const name = foldName(textOf(node, 'function_name'))
  const argumentCount = children(node).length
  return (clockFunctions.has(name) && argumentCount === 0) || ((name === 'age' || name === 'ago') && argumentCount === 1)
}

/** The literal that stands for such an expression during one query. Only for nodes of which `readsClock` is true. */
export function frozen(node: AstObject, moment: Moment, isColumn: (name: string) => boolean): AstObject {
  const name = isClass(node, 'COLUMN_REF') ? '' : foldName(textOf(node, 'function_name'))
  // DuckDB defines age(t) as the age at today's midnight, and ago(i) as now() - i.
  if (name === 'age') return { ...node, children: [literal(moment, date, 'TIMESTAMP'), ...children(node)] }
  if (name === 'ago') {
    return { ...node, function_name: '-', is_operator: true, children: [literal(moment, timestampTz), ...children(node)] }
  }
  const kind = name === '' ? clockColumn(node, isColumn) : clockFunctions.get(name)
  return { ...literal(moment, kind ?? timestampTz), alias: node.alias ?? '' }
}

function literal(moment: Moment, [field, type]: ClockType, castTo = type): AstObject {
  return typedConstant(moment[field], castTo)
}

function clockColumn(node: AstObject, isColumn: (name: string) => boolean): ClockType | undefined {
  const [name, ...more] = texts(node, 'column_names').map(foldName)
  if (name === undefined || more.length > 0 || isColumn(name)) return undefined
  return clockColumns.get(name)
}
