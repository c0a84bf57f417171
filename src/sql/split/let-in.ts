import { call, columnRef, integer, lambda, select, star, subqueryTable, withAlias } from '../ast.js'
import type { AstObject } from '../ast-text.js'

/**
 * `let name = value in body`. DuckDB has no let, and writing a value out wherever it is used grows a tree exponentially: so it
 * becomes a lambda's parameter, or a column.
 */
export type Let = (name: string, value: AstObject, body: (name: AstObject) => AstObject) => AstObject

/** The value goes through a list of one. The parameter's name is private to Forebay's own expressions. */
export const letInLambda: Let = (name, value, body) => {
  const parameter = `__${name}`
  const list = call('list_transform', [call('list_value', [value]), lambda([parameter], body(columnRef(parameter)))])
  return call('list_extract', [list, integer(1)])
}

/**
 * Values as columns of a relation, each in a SELECT over those that it needs. DuckDB takes ten milliseconds and more to bind a dozen
 * of lambdas inside one another, and one for as many SELECTs. A column is computed for every row, also where nothing asks for it:
 * it must not fail there.
 */
export class ComputedColumns {
  readonly #relation: string
  readonly #levels: AstObject[][] = []

  constructor(relation: string) {
    this.#relation = relation
  }

  get none(): boolean {
    return this.#levels.length === 0
  }

  /** A `let` of its own names, which begin with `prefix`. Each value may use those before it. */
  letInColumns(prefix: string): Let {
    let depth = 0
    return (name, value, body) => {
      const column = `${prefix}_${depth}_${name}`
      const level = this.#levels[depth] ?? []
      this.#levels[depth++] = [...level, withAlias(value, column)]
      return body(columnRef(this.#relation, column))
    }
  }

  /** The rows of a SELECT with the columns beside their own, under the relation's name. */
  over(rows: AstObject): AstObject {
    const name = this.#relation
    return this.#levels.reduce(
      (from, columns) => subqueryTable(select({ items: [star(), ...columns], from }), name),
      subqueryTable(rows, name),
    )
  }
}
