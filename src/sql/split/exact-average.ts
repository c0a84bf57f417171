import { and, call, caseWhen, castTo, compare, integer, or } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { nullConstant, textConstant } from '../ast-walk.js'
import { type Let, letInLambda } from './let-in.js'

/**
 * `avg` of integers and decimals, bit for bit as DuckDB computes it from a sum and a count.
 *
 * DuckDB 1.5 divides as C++ `double` for SMALLINT and for decimals of up to 4 digits, and as `long double` for wider types
 * (src/core_functions/aggregate/algebraic/avg.cpp). On x86-64 that is the 80-bit format: the quotient is rounded to 64 bits and
 * then to 53. Plain DOUBLE division rounds once, and differs by one ulp in one of about 4,096 averages as soon as the divisor
 * (count × 10^scale) is above 2,048: measured, 12 of 12 sums built for it. Below that divisor and with a sum under 2^50 the two
 * cannot differ, since a quotient is either a midpoint of two doubles or at least 1/(2 × divisor) of their distance away.
 *
 * So: plain division where it is proven, else the quotient in HUGEINT arithmetic with the two roundings written out. A sum
 * beyond 2^64 is itself rounded to 64 bits first, as the conversion to `long double` does.
 */
export type AverageDivision = 'double' | 'extended'

/** What `long double` is where this process runs; elsewhere (53 or 113 bits) plain division is the closest there is. */
export const longDoubleDivision: AverageDivision = process.arch === 'x64' && process.platform !== 'win32' ? 'extended' : 'double'

/** A sum of integers (scale 0) or of decimals, and how many values went into it. */
export interface AverageParts {
  readonly sum: AstObject
  readonly count: AstObject
  /** Decimal places of the values, at most 9: the divisor count × 10^scale must stay below 2^61. */
  readonly scale: number
}

/** The average as DOUBLE; NULL where the sum is. */
export function exactAverage(parts: AverageParts, division: AverageDivision): AstObject {
  const { count, scale } = parts
  const { plain, small, few, zero } = plainAverage(parts)
  if (division === 'double') return caseWhen(small, plain, plainQuotient(rawSum(parts), count, 10 ** scale))
  return caseWhen(or(and(few, small), zero), plain, extendedQuotient(rawSum(parts), divisorOf(parts), letInLambda))
}

/** The same of a sum and a count that are columns, for `long double`, by way of columns. */
export function exactAverageByColumns(parts: AverageParts, letIn: Let): AstObject {
  const { plain, small, few, zero } = plainAverage(parts)
  const isPlain = or(and(few, small), zero)
  // Nothing is divided where plain division will do.
  const quotient = extendedQuotient(caseWhen(isPlain, nullConstant(), rawSum(parts)), divisorOf(parts), letIn)
  return caseWhen(isPlain, plain, quotient)
}

/** Plain division, and the conditions under which it is right. */
function plainAverage({ sum, count, scale }: AverageParts) {
  const power = 10 ** scale
  // A decimal below 2^50 units comes back from its DOUBLE exactly: two roundings move it by less than half a unit.
  const units = scale === 0 ? castTo(sum, 'DOUBLE') : call('round', [call('*', [castTo(sum, 'DOUBLE'), double(power)])])
  return {
    plain: call('/', [units, call('*', [castTo(count, 'DOUBLE'), double(power)])]),
    small: compare('COMPARE_LESSTHAN', call('abs', [castTo(sum, 'DOUBLE')]), double(Math.floor(2 ** 50 / power))),
    few: compare('COMPARE_LESSTHAN', count, integer(Math.ceil(2048 / power))),
    zero: compare('COMPARE_EQUAL', sum, integer(0)),
  }
}

function rawSum({ sum, scale }: AverageParts): AstObject {
  return scale === 0 ? castTo(sum, 'HUGEINT') : unscaled(sum)
}

function divisorOf({ count, scale }: AverageParts): AstObject {
  return call('*', [castTo(count, 'HUGEINT'), bigConstant(String(10 ** scale))])
}

function plainQuotient(raw: AstObject, count: AstObject, power: number): AstObject {
  return call('/', [castTo(raw, 'DOUBLE'), call('*', [castTo(count, 'DOUBLE'), double(power)])])
}

/** The integer behind a decimal: its digits without the point, which DuckDB always prints with all decimals. */
function unscaled(decimal: AstObject): AstObject {
  const digits = call('replace', [castTo(decimal, 'VARCHAR'), textConstant('.'), textConstant('')])
  return castTo(digits, 'HUGEINT')
}

function double(value: number): AstObject {
  return castTo(textConstant(String(value)), 'DOUBLE')
}

function extendedQuotient(sum: AstObject, divisor: AstObject, letIn: Let): AstObject {
  return letIn('x', sum, (x) => call('*', [castTo(call('sign', [x]), 'DOUBLE'), unsignedQuotient(x, divisor, letIn)]))
}

function unsignedQuotient(sum: AstObject, divisor: AstObject, letIn: Let): AstObject {
  const beyond = (m: AstObject): AstObject => roundTo64Bits(m, undefined, letIn, (rounded, cut) => call('<<', [rounded, cut]))
  const magnitude = letIn('m', call('abs', [sum]), (m) =>
    caseWhen(compare('COMPARE_LESSTHAN', m, bigConstant('18446744073709551616')), m, beyond(m)),
  )
  return letIn('a', magnitude, (a) =>
    letIn('e', call('-', [integer(126), bitLength(a)]), (e) =>
      letIn('n', call('<<', [a, e]), (n) =>
        letIn('d', castTo(divisor, 'HUGEINT'), (d) =>
          letIn('q', call('//', [n, d]), (q) => {
            const remainder = compare('COMPARE_NOTEQUAL', call('%', [n, d]), integer(0))
            return roundTo64Bits(q, remainder, letIn, (rounded, cut) => {
              const power = call('pow', [double(2), castTo(call('-', [cut, e]), 'DOUBLE')])
              // DuckDB rounds a HUGEINT of up to 64 bits once on its way to DOUBLE, a longer one twice.
              return call('*', [castTo(rounded, 'DOUBLE'), power])
            })
          }),
        ),
      ),
    ),
  )
}

/**
 * The 64 leading bits of a HUGEINT that has more, rounded half to even, and how many bits were cut off; `more` tells that
 * something was cut off below the HUGEINT already.
 */
function roundTo64Bits(
  value: AstObject,
  more: AstObject | undefined,
  letIn: Let,
  use: (rounded: AstObject, cut: AstObject) => AstObject,
): AstObject {
  // A column is computed for values that have no more, too: what it says of them is not used.
  return letIn('t', call('greatest', [call('-', [bitLength(value), integer(64)]), integer(1)]), (t) =>
    letIn('r', call('>>', [value, t]), (r) => {
      const low = call('-', [value, call('<<', [r, t])])
      const half = call('<<', [castTo(integer(1), 'HUGEINT'), call('-', [t, integer(1)])])
      const odd = compare('COMPARE_EQUAL', call('%', [r, integer(2)]), integer(1))
      const up = or(
        compare('COMPARE_GREATERTHAN', low, half),
        and(compare('COMPARE_EQUAL', low, half), more === undefined ? odd : or(more, odd)),
      )
      return use(call('+', [r, caseWhen(up, integer(1), integer(0))]), t)
    }),
  )
}

function bitLength(value: AstObject): AstObject {
  return castTo(call('length', [call('bin', [value])]), 'INTEGER')
}

function bigConstant(digits: string): AstObject {
  return castTo(textConstant(digits), 'HUGEINT')
}
