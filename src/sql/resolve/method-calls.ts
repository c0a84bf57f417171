import { foldName } from '../../model/fold-name.js'
import { columnRef } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { children, isClass, textOf, walk } from '../ast-walk.js'

const schemas: ReadonlySet<string> = new Set(['', 'main', 'pg_catalog', 'information_schema', 'system', 'temp'])

/**
 * True for `name.upper()` and `t.name.upper()`. DuckDB's parser cannot tell a column from a schema and puts the column where the
 * schema stands; its binder takes it for a column where no such schema is, and we have none but these.
 */
export function isMethodCall(node: AstObject): boolean {
  return isClass(node, 'FUNCTION') && !schemas.has(foldName(textOf(node, 'schema')))
}

/** Makes `name.upper()` the `upper(name)` that it means, so that everything after sees the column. Changes the tree. */
export function unfoldMethodCalls(node: AstObject): void {
  walk(node, (part) => {
    if (!isMethodCall(part)) return true
    const names = [textOf(part, 'catalog'), textOf(part, 'schema')].filter((name) => name !== '')
    part.children = [columnRef(...names), ...children(part)]
    part.schema = ''
    part.catalog = ''
    return true
  })
}
