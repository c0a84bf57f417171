import { ForebayError } from '../../model/errors.js'
import { foldName } from '../../model/fold-name.js'
import { checkAllowed } from '../allow/check-allowed.js'
import type { AstObject } from '../ast-text.js'
import { textOf, walk } from '../ast-walk.js'
import type { DuckDBSession } from '../duckdb-session.js'
import type { Definitions } from './definitions.js'
import { unfoldMethodCalls } from './method-calls.js'
import { nameItems } from './name-items.js'
import { nestJoins } from './nested-joins.js'

/** Parsed views by folded name, kept as long as the view's SQL stays. */
export class ViewTrees {
  readonly #session: DuckDBSession
  readonly #definitions: Definitions
  readonly #functions: ReadonlySet<string>
  readonly #parsed = new Map<string, { readonly sql: string; readonly tree: AstObject }>()
  readonly trees = new Map<string, AstObject>()

  constructor(session: DuckDBSession, definitions: Definitions, functions: ReadonlySet<string>) {
    this.#session = session
    this.#definitions = definitions
    this.#functions = functions
  }

  /** Sees to it that every view that a tree may refer to, directly or through views, is in `trees`. */
  async load(node: AstObject): Promise<void> {
    const waiting = tableNames(node)
    const seen = new Set<string>()
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      if (seen.has(name)) continue
      seen.add(name)
      const tree = await this.#tree(name)
      if (tree !== undefined) waiting.push(...tableNames(tree))
    }
  }

  async #tree(name: string): Promise<AstObject | undefined> {
    const definition = this.#definitions.find(name)
    if (definition?.kind !== 'view') {
      this.trees.delete(name)
      return undefined
    }
    const known = this.#parsed.get(name)
    if (known?.sql === definition.sql) {
      this.trees.set(name, known.tree)
      return known.tree
    }
    const tree = await this.#parse(definition.name, definition.sql)
    this.#parsed.set(name, { sql: definition.sql, tree })
    this.trees.set(name, tree)
    return tree
  }

  /** A view was checked when it was made, perhaps by an older version with another allow-list: it is checked again. */
  async #parse(name: string, sql: string): Promise<AstObject> {
    try {
      const tree = await this.#session.parse(sql)
      checkAllowed(
        tree,
        (called) => this.#functions.has(called),
        () => undefined,
      )
      nestJoins(tree, () => undefined)
      await nameItems(tree, (nodes) => this.#session.print(nodes))
      unfoldMethodCalls(tree)
      return tree
    } catch (cause) {
      if (!(cause instanceof ForebayError)) throw cause
      throw new ForebayError(cause.code, `view "${name}": ${cause.message}`, { cause })
    }
  }
}

function tableNames(node: AstObject): string[] {
  const names = new Set<string>()
  walk(node, (part) => {
    if (part.type === 'BASE_TABLE' && part.class === undefined) names.add(foldName(textOf(part, 'table_name')))
    return true
  })
  return [...names]
}
