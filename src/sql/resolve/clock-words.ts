import { foldName } from '../../model/fold-name.js'
import { call } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { children, isClass, textOf, texts, walk } from '../ast-walk.js'

/** SQL's value functions and the calls that they stand for. */
const clockCalls: ReadonlyMap<string, string> = new Map([
  ['current_date', 'current_date'],
  ['current_time', 'get_current_time'],
  ['current_timestamp', 'get_current_timestamp'],
  ['localtime', 'current_localtime'],
  ['localtimestamp', 'current_localtimestamp'],
])

/** True for `current_date` and its kin: in the tree they are columns, and where there is such a column they are. */
export function isClockWord(node: AstObject): boolean {
  return isClass(node, 'COLUMN_REF') && callFor(node) !== undefined
}

/**
 * Makes the words that are not columns the calls that they stand for. Where a name is a column somewhere in the statement,
 * DuckDB's binder decides: a call in the place of a column reads the clock once more. Changes the tree.
 */
export async function settleClockWords(
  node: AstObject,
  isColumn: (name: string) => boolean,
  countReads: () => Promise<number>,
): Promise<void> {
  const { words, items } = wordsOf(node)
  const open = words.filter((word) => isColumn(foldName(nameOf(word))))
  for (const word of words) if (!isColumn(foldName(nameOf(word)))) replace(word, callOf(word, items))
  const reads = open.length === 0 ? 0 : await countReads()
  for (const word of open) {
    const column = { ...word }
    replace(word, callOf(word, items))
    // Not everywhere is a call allowed where a column is.
    const now = await countReads().catch(() => Number.POSITIVE_INFINITY)
    if (now > reads) replace(word, column)
  }
}

function wordsOf(node: AstObject): { readonly words: readonly AstObject[]; readonly items: ReadonlySet<AstObject> } {
  const words: AstObject[] = []
  const items = new Set<AstObject>()
  walk(node, (part) => {
    if (isClockWord(part)) words.push(part)
    for (const item of children(part, 'select_list')) items.add(item)
    return true
  })
  return { words, items }
}

/** In a select list a call would have another name than the word. */
function callOf(word: AstObject, items: ReadonlySet<AstObject>): AstObject {
  const alias = textOf(word, 'alias') || (items.has(word) ? nameOf(word) : '')
  return { ...call(callFor(word) ?? '', []), alias, query_location: word.query_location ?? 0 }
}

function callFor(word: AstObject): string | undefined {
  return texts(word, 'column_names').length === 1 ? clockCalls.get(foldName(nameOf(word))) : undefined
}

function nameOf(word: AstObject): string {
  return texts(word, 'column_names')[0] ?? ''
}

function replace(node: AstObject, by: AstObject): void {
  for (const key in node) delete node[key]
  Object.assign(node, by)
}
