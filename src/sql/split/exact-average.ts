import { and, call, caseWhen, castTo, compare, integer, or } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { textConstant } from '../ast-walk.js'
import { letIn } from './let-in.js'

/**
 * `avg` of integers and decimals, bit for bit as DuckDB computes it from a sum and a count.
 *
 * DuckDB 1.5 divides as C++ `double` for SMALLINT and for decimals of up to 4 digits, and as `long double` for wider types
 * (src/core_functions/aggregate/algebraic/avg.cpp). On x86-64 that is the 80-bit format: the quotient is rounded to 64 bits and
 * then to 53. Plain DOUBLE division rounds once, and differs by one ulp in one of about 4,096 averages as soon as the divisor
 * (count × 10^scale) is above 2,048: measured, 12 of 12 sums built for it. Below that divisor and with a sum under 2^53 the two
 * cannot differ, since a quotient is either a midpoint of two doubles or at least 1/(2 × divisor) of their distance away.
 *
 * So: plain division where it is proven, else the quotient in HUGEINT arithmetic with the two roundings written out. A sum
 * beyond 2^64 is itself rounded to 64 bits first, as the conversion to `long double` does.
 */
export type AverageDivision = 'double' | 'extended'

/** What `long double` is where this process runs; elsewhere (53 or 113 bits) plain division is the closest there is. */
export const longDoubleDivision: AverageDivision =
  process.arch === 'x64' && process.platform !== 'win32' ? 'extended' : 'double'

/** `sum / divisor` as DOUBLE, where `sum` is a HUGEINT expression and `divisor` a positive one; NULL where a part is NULL. */
export function exactQuotient(sum: AstObject, divisor: AstObject, division: AverageDivision): AstObject {
  const plain = call('/', [castTo(sum, 'DOUBLE'), castTo(divisor, 'DOUBLE')])
  if (division === 'double') return plain
  const proven = and(
    compare('COMPARE_LESSTHAN', divisor, integer(2048)),
    compare('COMPARE_LESSTHAN', call('abs', [sum]), bigConstant('9007199254740992')),
  )
  const zero = compare('COMPARE_EQUAL', sum, integer(0))
  return caseWhen(or(proven, zero), plain, extendedQuotient(sum, divisor))
}

function extendedQuotient(sum: AstObject, divisor: AstObject): AstObject {
  const magnitude = letIn('m', call('abs', [sum]), (m) =>
    caseWhen(compare('COMPARE_LESSTHAN', m, bigConstant('18446744073709551616')), m, roundTo64Bits(m, undefined)),
  )
  const unsigned = letIn('a', magnitude, (a) =>
    letIn('e', call('-', [integer(126), bitLength(a)]), (e) =>
      letIn('n', call('<<', [a, e]), (n) =>
        letIn('d', castTo(divisor, 'HUGEINT'), (d) =>
          letIn('q', call('//', [n, d]), (q) => {
            const remainder = compare('COMPARE_NOTEQUAL', call('%', [n, d]), integer(0))
            const scaleBack = call('pow', [castTo(integer(2), 'DOUBLE'), castTo(call('-', [integer(0), e]), 'DOUBLE')])
            return call('*', [castTo(roundTo64Bits(q, remainder), 'DOUBLE'), scaleBack])
          }),
        ),
      ),
    ),
  )
  return call('*', [castTo(call('sign', [sum]), 'DOUBLE'), unsigned])
}

/** A HUGEINT of at least 65 bits rounded to 64 significant bits, half to even; `more` tells that something was cut off below it. */
function roundTo64Bits(value: AstObject, more: AstObject | undefined): AstObject {
  return letIn('t', call('-', [bitLength(value), integer(64)]), (t) =>
    letIn('r', call('>>', [value, t]), (r) => {
      const low = call('-', [value, call('<<', [r, t])])
      const half = call('<<', [castTo(integer(1), 'HUGEINT'), call('-', [t, integer(1)])])
      const odd = compare('COMPARE_EQUAL', call('%', [r, integer(2)]), integer(1))
      const up = or(
        compare('COMPARE_GREATERTHAN', low, half),
        and(compare('COMPARE_EQUAL', low, half), more === undefined ? odd : or(more, odd)),
      )
      return call('<<', [call('+', [r, caseWhen(up, integer(1), integer(0))]), t])
    }),
  )
}

function bitLength(value: AstObject): AstObject {
  return castTo(call('length', [call('bin', [value])]), 'INTEGER')
}

function bigConstant(digits: string): AstObject {
  return castTo(textConstant(digits), 'HUGEINT')
}
