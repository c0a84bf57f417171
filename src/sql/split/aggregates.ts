import { foldName } from '../../model/fold-name.js'
import { call, caseWhen, castTo, coalesce, columnRef, compare, integer, lambda } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, children, nullConstant, textConstant, textOf } from '../ast-walk.js'
import { exactAverage, exactAverageByColumns, longDoubleDivision } from './exact-average.js'
import { type Let, letInLambda } from './let-in.js'
import { NotSplit } from './not-split.js'

/**
 * How one aggregate call becomes partial columns, how partials of partials come about, and how the answer is made of them.
 * `merge` of a column is an aggregate over partials that gives a partial again, of the same type: so any number of levels in
 * any order gives the same (integers and decimals), or the same within the promised error (floating point).
 */
export interface SplitAggregate {
  /** Aggregate expressions over the block's rows. */
  readonly leaf: readonly AstObject[]
  /** Given references to the partial columns: one aggregate expression for each of them. */
  merge(columns: readonly AstObject[]): readonly AstObject[]
  /** Given references to the partial columns: the value, made of aggregates over them. */
  final(columns: readonly AstObject[]): AstObject
  /** Like `final`, over a relation that has one row for each group; by way of columns of that relation. */
  finalByColumns?(columns: readonly AstObject[], letIn: Let): AstObject
  /** True where another order of additions gives another result: such a value may not decide anything. */
  readonly inexact: boolean
}

/** An aggregate call, with the types that DuckDB bound it to. */
export interface BoundAggregate {
  readonly node: AstObject
  readonly type: string
  readonly argumentTypes: readonly string[]
}

const integerTypes = new Set([
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'HUGEINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
])
/** DuckDB averages these in 64-bit integers and divides as `double`. */
const narrowIntegers = new Set(['TINYINT', 'SMALLINT', 'UTINYINT'])

export function isFloating(type: string): boolean {
  return type === 'DOUBLE' || type === 'FLOAT'
}

/** True for types some of whose equal values look different, so that which one is shown hangs on the order of rows. */
export function hasTwinValues(type: string): boolean {
  return /\bINTERVAL\b/.test(type) || /\bVARIANT\b/.test(type)
}

export function splitAggregate(aggregate: BoundAggregate): SplitAggregate {
  const name = foldName(textOf(aggregate.node, 'function_name'))
  if (children(child(aggregate.node, 'order_bys') ?? {}, 'orders').length > 0) {
    throw new NotSplit(`${name}() with ORDER BY inside`)
  }
  switch (name) {
    case 'count':
    case 'count_star':
      return counted(aggregate)
    case 'count_if':
    case 'countif':
    case 'sum':
      return summed(aggregate)
    case 'min':
    case 'max':
    case 'bool_and':
    case 'bool_or':
    case 'bit_and':
    case 'bit_or':
    case 'bit_xor':
      return idempotentOrBitwise(aggregate, name)
    case 'avg':
    case 'mean':
      return averaged(aggregate)
    default:
      return spread(aggregate, name)
  }
}

/** The same call without DISTINCT and with other arguments; the filter stays. */
function recall(node: AstObject, name: string, args: readonly AstObject[]): AstObject {
  return call(name, args, { filter: child(node, 'filter') ?? null })
}

function only(columns: readonly AstObject[]): AstObject {
  const [column] = columns
  if (column === undefined) throw new Error('an aggregate without a partial column')
  return column
}

function counted({ node, type }: BoundAggregate): SplitAggregate {
  const total = (columns: readonly AstObject[]): AstObject => castTo(coalesce(call('sum', [only(columns)]), integer(0)), type)
  return {
    leaf: [{ ...node, alias: '' }],
    merge: (columns) => [total(columns)],
    final: total,
    inexact: false,
  }
}

function summed({ node, type, argumentTypes }: BoundAggregate): SplitAggregate {
  const exact = type === 'HUGEINT' || type.startsWith('DECIMAL(')
  if (!exact && !(isFloating(type) && isFloating(argumentTypes[0] ?? ''))) {
    throw new NotSplit(`sum() of ${argumentTypes[0] ?? 'this type'}`)
  }
  const total = (columns: readonly AstObject[]): AstObject => call('sum', [only(columns)])
  return { leaf: [{ ...node, alias: '' }], merge: (columns) => [total(columns)], final: total, inexact: !exact }
}

function idempotentOrBitwise({ node, argumentTypes }: BoundAggregate, name: string): SplitAggregate {
  if (argumentTypes.length !== 1) throw new NotSplit(`${name}() with ${argumentTypes.length} arguments`)
  if (hasTwinValues(argumentTypes[0] ?? '')) throw new NotSplit(`${name}() of ${argumentTypes[0]}`)
  const again = (columns: readonly AstObject[]): AstObject => call(name, [only(columns)])
  // DISTINCT changes nothing for min, max, and, or; for xor it does, and the caller has made its values distinct by then.
  return {
    leaf: [recall(node, name, children(node))],
    merge: (columns) => [again(columns)],
    final: again,
    inexact: false,
  }
}

function averaged({ node, type, argumentTypes }: BoundAggregate): SplitAggregate {
  const [argumentType = ''] = argumentTypes
  const [argument] = children(node)
  if (argument === undefined || type !== 'DOUBLE') throw new NotSplit(`avg() of ${argumentType}`)
  const count = recall(node, 'count', [argument])
  const countTotal = (column: AstObject): AstObject => castTo(coalesce(call('sum', [column]), integer(0)), 'BIGINT')
  const parts = (columns: readonly AstObject[]): readonly [AstObject, AstObject] => {
    const [sum, rows] = columns
    if (sum === undefined || rows === undefined) throw new Error('avg needs two partial columns')
    return [sum, rows]
  }
  const merge = (columns: readonly AstObject[]): readonly AstObject[] => {
    const [sum, rows] = parts(columns)
    return [call('sum', [sum]), countTotal(rows)]
  }
  if (isFloating(argumentType)) {
    return {
      leaf: [recall(node, 'sum', [castTo(argument, 'DOUBLE')]), count],
      merge,
      final: (columns) => {
        const [sum, rows] = parts(columns)
        return call('/', [call('sum', [sum]), castTo(call('sum', [rows]), 'DOUBLE')])
      },
      inexact: true,
    }
  }
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(argumentType)
  if (decimal === null && !integerTypes.has(argumentType)) throw new NotSplit(`avg() of ${argumentType}`)
  const narrow = decimal === null ? narrowIntegers.has(argumentType) : Number(decimal[1]) <= 4
  const scale = decimal === null ? 0 : Number(decimal[2])
  // The divisor, count × 10^scale, must stay below 2^61 for the division written out in HUGEINT.
  if (scale > 9) throw new NotSplit(`avg() of ${argumentType}`)
  const division = narrow ? 'double' : longDoubleDivision
  const byColumns = (columns: readonly AstObject[], letIn: Let): AstObject => {
    const [sum, rows] = parts(columns)
    const average = exactAverageByColumns({ sum, count: rows, scale }, letIn)
    return letIn('avg', average, (value) => call('min', [value]))
  }
  return {
    leaf: [recall(node, 'sum', [argument]), count],
    merge,
    final: (columns) => {
      const [sum, rows] = parts(columns)
      return exactAverage({ sum: call('sum', [sum]), count: call('sum', [rows]), scale }, division)
    },
    ...(division === 'double' ? {} : { finalByColumns: byColumns }),
    inexact: false,
  }
}

/**
 * Variance and covariance by count, means and centred sum of products, merged pairwise as Chan, Golub and LeVeque give it
 * ("Updating formulae and a pairwise algorithm for computing sample variances", 1979). Sums of squares are out of the
 * question: they gave 0.0 where 0.289 was right.
 */
function spread({ node, argumentTypes }: BoundAggregate, name: string): SplitAggregate {
  const args = children(node).map((argument) => castTo(argument, 'DOUBLE'))
  const [x] = args
  const y = name.startsWith('covar') ? args[1] : x
  if (x === undefined || y === undefined || argumentTypes.length > 2) throw new NotSplit(`${name}() in this form`)
  const both = filteredToPairs(node, x, y)
  const of = (aggregate: string, ...values: readonly AstObject[]): AstObject => call(aggregate, values, { filter: both })
  const count = of('count', x)
  const product = call('*', [x === y ? of('var_pop', x) : of('covar_pop', x, y), castTo(count, 'DOUBLE')])
  const mean = (value: AstObject): AstObject =>
    // Of equal values the mean is that value, exactly, as in DuckDB's running mean: else 0.0 would come out as 1e-17.
    caseWhen(compare('COMPARE_EQUAL', of('min', value), of('max', value)), of('min', value), of('avg', value))
  const state = namedStruct({ n: count, x: mean(x), ...(x === y ? {} : { y: mean(y) }), m: product })
  const folded = (columns: readonly AstObject[]): AstObject => foldStates(only(columns), x !== y)
  return {
    leaf: [state],
    merge: (columns) => [folded(columns)],
    final: (columns) => letInLambda('s', folded(columns), (merged) => finishSpread(merged, name)),
    inexact: true,
  }
}

/** The call's filter, and for two arguments: rows where both are there. */
function filteredToPairs(node: AstObject, x: AstObject, y: AstObject): AstObject | null {
  const given = child(node, 'filter')
  if (x === y) return given ?? null
  const present = [x, y].map((value) => ({
    class: 'OPERATOR',
    type: 'OPERATOR_IS_NOT_NULL',
    alias: '',
    query_location: 0,
    children: [value],
  }))
  const parts = given === undefined ? present : [given, ...present]
  return { class: 'CONJUNCTION', type: 'CONJUNCTION_AND', alias: '', query_location: 0, children: parts }
}

function namedStruct(fields: Readonly<Record<string, AstObject>>): AstObject {
  return call(
    'struct_pack',
    Object.entries(fields).map(([name, value]) => ({ ...value, alias: name })),
  )
}

function field(struct: AstObject, name: string): AstObject {
  return call('struct_extract', [struct, textConstant(name)])
}

/** One state of many; NULL where none of them has rows. */
function foldStates(column: AstObject, pairs: boolean): AstObject {
  const filter = compare('COMPARE_GREATERTHAN', field(column, 'n'), integer(0))
  const states = call('list', [column], { filter })
  return call('list_reduce', [states, lambda(['__p', '__q'], mergeStates(columnRef('__p'), columnRef('__q'), pairs))])
}

function mergeStates(p: AstObject, q: AstObject, pairs: boolean): AstObject {
  const rows = call('+', [field(p, 'n'), field(q, 'n')])
  const share = call('/', [castTo(field(q, 'n'), 'DOUBLE'), castTo(rows, 'DOUBLE')])
  const delta = (name: string): AstObject => call('-', [field(q, name), field(p, name)])
  const mean = (name: string): AstObject => call('+', [field(p, name), call('*', [delta(name), share])])
  const between = call('*', [
    call('*', [delta('x'), delta(pairs ? 'y' : 'x')]),
    call('*', [castTo(field(p, 'n'), 'DOUBLE'), share]),
  ])
  return namedStruct({
    n: rows,
    x: mean('x'),
    ...(pairs ? { y: mean('y') } : {}),
    m: call('+', [call('+', [field(p, 'm'), field(q, 'm')]), between]),
  })
}

function finishSpread(state: AstObject, name: string): AstObject {
  const population = name.endsWith('_pop')
  const rows = castTo(field(state, 'n'), 'DOUBLE')
  const divisor = population ? rows : call('-', [rows, castTo(integer(1), 'DOUBLE')])
  const quotient = call('/', [field(state, 'm'), divisor])
  const value = name.startsWith('stddev') ? call('sqrt', [quotient]) : quotient
  const enough = compare('COMPARE_GREATERTHAN', field(state, 'n'), integer(population ? 0 : 1))
  const checked = caseWhen(call('isfinite', [value]), value, call('error', [textConstant(`${name} is out of range`)]))
  return caseWhen(enough, checked, castTo(nullConstant(), 'DOUBLE'))
}
