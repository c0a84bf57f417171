import { ForebayError } from '../../model/errors.js'
import { foldName } from '../../model/fold-name.js'
import type { AstObject } from '../ast-text.js'
import { child, isClass, textOf, walk } from '../ast-walk.js'
import { isMethodCall } from '../resolve/method-calls.js'
import { allowedFunctions, allowedTableFunctions, refusedFunctions } from './allowed-functions.js'

/** Where a node stands in the user's text, in characters; undefined inside a view. */
export type Locate = (node: AstObject) => number | undefined

/**
 * Refuses every part of a SELECT that could reach beyond our tables, by what the tree is made of and never by what the text
 * looks like. `known` tells whether DuckDB has a function of this name: one that it does not have is left for its binder to
 * answer, which knows what the user may have meant.
 */
export function checkAllowed(node: AstObject, known: (functionName: string) => boolean, locate: Locate): void {
  walk(node, (part) => {
    if (isClass(part, 'FUNCTION') || isClass(part, 'WINDOW')) {
      checkFunction(part, known, locate)
      return true
    }
    if (typeof part.class === 'string') return true
    if (part.type === 'TABLE_FUNCTION') return checkTableFunction(part, known, locate)
    if (part.type === 'PIVOT' && !isUnpivot(part)) {
      throw new ForebayError('NOT_SUPPORTED', 'PIVOT is not supported', at(locate(part), 'use aggregates with FILTER (WHERE …)'))
    }
    if (part.type === 'BASE_TABLE' && child(part, 'at_clause') !== undefined) {
      throw new ForebayError('NOT_SUPPORTED', 'AT (…) is not supported', at(locate(part)))
    }
    return true
  })
}

function isUnpivot(node: AstObject): boolean {
  return Array.isArray(node.unpivot_names) && node.unpivot_names.length > 0
}

function checkFunction(node: AstObject, known: (name: string) => boolean, locate: Locate): void {
  const name = foldName(textOf(node, 'function_name'))
  if (!isMethodCall(node)) checkSchema(node, name, locate)
  if (allowedFunctions.has(name)) return
  if (refusedFunctions.has(name) || known(name)) {
    throw new ForebayError('NOT_ALLOWED', `function "${name}" is not allowed`, at(locate(node)))
  }
}

function checkTableFunction(node: AstObject, known: (name: string) => boolean, locate: Locate): false {
  const call = child(node, 'function')
  if (call === undefined || !isClass(call, 'FUNCTION')) {
    throw new ForebayError('NOT_ALLOWED', 'this form of table function is not allowed', at(locate(node)))
  }
  const name = foldName(textOf(call, 'function_name'))
  checkSchema(call, name, locate)
  if (!allowedTableFunctions.has(name)) {
    const hint = /^(read_|parquet|glob|sniff)/.test(name) ? 'files are read as tables of the data folder' : undefined
    throw new ForebayError('NOT_ALLOWED', `table function "${name}" is not allowed`, at(locate(node), hint))
  }
  // The call itself is a table function, which the list of scalar functions need not know; its arguments are ordinary.
  for (const key in call) {
    const part = call[key]
    if (typeof part === 'object' && part !== null) checkAllowed({ part }, known, locate)
  }
  return false
}

function checkSchema(node: AstObject, name: string, locate: Locate): void {
  const schema = foldName(textOf(node, 'schema'))
  const catalog = foldName(textOf(node, 'catalog'))
  const plain = (schema === '' || schema === 'main' || schema === 'pg_catalog') && (catalog === '' || catalog === 'system')
  if (!plain) throw new ForebayError('NOT_ALLOWED', `function "${schema}.${name}" is not allowed`, at(locate(node)))
}

function at(position: number | undefined, hint?: string): { position?: number; hint?: string } {
  return { ...(position === undefined ? {} : { position }), ...(hint === undefined ? {} : { hint }) }
}
