import { ForebayError } from '../../model/errors.js'
import { foldName } from '../../model/fold-name.js'
import { quoteName } from '../../model/quote.js'
import type { Column } from '../../model/segment.js'
import { closest } from '../resolve/closest.js'

/**
 * The SELECT of an INSERT with exactly the table's columns, in its order and types: by position or by name, and NULL for
 * columns that the statement does not give.
 */
export function wrapForInsert(
  sql: string,
  given: readonly Column[],
  table: readonly Column[],
  header: { readonly table: string; readonly columns: readonly string[]; readonly byName: boolean },
): string {
  const targets = header.byName ? given.map((column) => column.name) : header.columns
  const source = targetIndexes(table, targets, header.table)
  const wanted = targets.length > 0 ? targets.length : table.length
  if (given.length !== wanted) {
    throw new ForebayError(
      'TYPE_MISMATCH',
      `table "${header.table}" takes ${wanted} columns here, the SELECT gives ${given.length}`,
    )
  }
  const list = table.map((column, index) => {
    const from = source.size === 0 ? index : source.get(index)
    // DuckDB's parser has no tree for a cast to some types (a list of ENUM).
    const value =
      from !== undefined && given[from]?.type === column.type
        ? `c${from}`
        : `CAST(${from === undefined ? 'NULL' : `c${from}`} AS ${column.type})`
    return `${value} AS ${quoteName(column.name)}`
  })
  return `SELECT ${list.join(', ')} FROM (${sql}) AS given(${given.map((_, index) => `c${index}`).join(', ')})`
}

/** Index into the table's columns → index into the given columns. */
function targetIndexes(table: readonly Column[], targets: readonly string[], name: string): ReadonlyMap<number, number> {
  const indexes = new Map<number, number>()
  for (const [from, target] of targets.entries()) {
    const to = table.findIndex((column) => foldName(column.name) === foldName(target))
    if (to < 0) {
      const near = closest(
        target,
        table.map((column) => column.name),
      )
      throw new ForebayError(
        'NAME_NOT_FOUND',
        `table "${name}" has no column "${target}"`,
        near === undefined ? {} : { hint: `did you mean "${near}"?` },
      )
    }
    if (indexes.has(to)) throw new ForebayError('SQL_SYNTAX', `column "${target}" is named twice`)
    indexes.set(to, from)
  }
  return indexes
}
