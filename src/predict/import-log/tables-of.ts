const name = /^(?:[A-Za-z_][\w$]*|"(?:[^"]|"")*"|`[^`]*`)$/
const notTables = new Set(['select', 'lateral', 'unnest', 'values', 'table'])
/** What ends the list of tables that FROM began, where a comma separates tables. */
const afterTables =
  /^(?:where|group|having|order|limit|window|qualify|union|intersect|except|select|set|returning|fetch|offset|for|connect|start|;)$/

/** What stands between two parentheses: whether it is a statement, and the name that WITH gives it. */
interface Level {
  statement: boolean
  /** Whether its commas separate tables. */
  listsTables: boolean
  readonly given: string | undefined
}

/**
 * Tables after FROM, its commas and JOIN among the words of a statement, in lower case. A FROM without a SELECT in its parentheses belongs to a
 * function: `extract(year from d)`, `trim(both from c)`. A name that WITH gives is no table from there on; in the text that it
 * is given to it still is one, unless that is recursive.
 */
export function tablesOf(words: readonly string[]): readonly string[] {
  const found = new Set<string>()
  const given = new Set<string>()
  const recursive = words.includes('recursive')
  const levels: Level[] = [{ statement: true, listsTables: false, given: undefined }]
  for (const [i, word] of words.entries()) {
    const level = levels.at(-1) as Level
    if (word === 'select' || word === 'delete') level.statement = true
    if (word === '(') {
      const opened = { statement: false, listsTables: false, given: nameGiven(words, i) }
      levels.push(opened)
      if (recursive && opened.given !== undefined) given.add(opened.given)
    }
    if (word === ')' && levels.length > 1) {
      levels.pop()
      if (level.given !== undefined) given.add(level.given)
    }
    const from = word === 'from' && level.statement && !isDistinctFrom(words, i)
    if (from) level.listsTables = true
    else if (afterTables.test(word)) level.listsTables = false
    const named = from || word === 'join' || (word === ',' && level.listsTables)
    const parts = named ? partsAt(words, words[i + 1] === 'only' ? i + 2 : i + 1) : []
    const table = parts.join('.')
    if (parts.length > 0 && !notTables.has(parts[0] as string) && !given.has(table)) found.add(table)
  }
  return [...found].sort()
}

/** The parts of a name that may be qualified, unquoted; none where no name stands. */
function partsAt(words: readonly string[], at: number): readonly string[] {
  const parts: string[] = []
  for (let i = at; name.test(words[i] ?? ''); i += 2) {
    parts.push(unquoted(words[i] as string))
    if (words[i + 1] !== '.') break
  }
  return parts
}

/** The name in `with name (columns) as materialized (`, of which the last parenthesis is at `open`. */
function nameGiven(words: readonly string[], open: number): string | undefined {
  let as = open - 1
  if (words[as] === 'materialized') as -= words[as - 1] === 'not' ? 2 : 1
  if (words[as] !== 'as') return undefined
  const at = words[as - 1] === ')' ? words.lastIndexOf('(', as) - 1 : as - 1
  const found = words[at] ?? ''
  return /^(?:with|recursive|,)$/.test(words[at - 1] ?? '') && name.test(found) ? unquoted(found) : undefined
}

function isDistinctFrom(words: readonly string[], at: number): boolean {
  return words[at - 1] === 'distinct' && /^(?:is|not)$/.test(words[at - 2] ?? '')
}

function unquoted(word: string): string {
  return word.replace(/^["`]|["`]$/g, '')
}
