/** A name as DuckDB reads it literally. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A string literal. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A list of string literals, `['a', 'b']`. */
export function quoteTexts(texts: readonly string[]): string {
  return `[${texts.map(quoteText).join(', ')}]`
}

/** A path to read from: DuckDB takes `*`, `?` and `[` for a pattern, which would find other files too. */
export function quotePath(path: string): string {
  return quoteText(path.replace(/[[*?]/g, '[$&]'))
}

/** A list of paths to read from. */
export function quotePaths(paths: readonly string[]): string {
  return `[${paths.map(quotePath).join(', ')}]`
}
