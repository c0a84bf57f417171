import { quoteName, quoteText } from '../model/quote.js'

/** A DuckDB type taken apart as far as its nesting goes; what is not nested stays text, e.g. `DECIMAL(15,2)`. */
export type TypeTree =
  | { readonly kind: 'scalar'; readonly name: string }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | { readonly kind: 'list'; readonly element: TypeTree }
  | { readonly kind: 'array'; readonly element: TypeTree; readonly size: number }
  | { readonly kind: 'struct' | 'union'; readonly fields: readonly { readonly name: string; readonly type: TypeTree }[] }
  | { readonly kind: 'map'; readonly key: TypeTree; readonly value: TypeTree }

/** Takes a type apart that DuckDB has printed. What it does not understand it leaves as a scalar of that name. */
export function parseType(text: string): TypeTree {
  const trimmed = text.trim()
  const suffix = /\[(\d*)\]$/.exec(trimmed)
  if (suffix !== null) {
    const element = parseType(trimmed.slice(0, suffix.index))
    return suffix[1] === '' ? { kind: 'list', element } : { kind: 'array', element, size: Number(suffix[1]) }
  }
  const nested = /^(STRUCT|UNION|MAP|ENUM)\s*\((.*)\)$/is.exec(trimmed)
  if (nested === null) return { kind: 'scalar', name: trimmed }
  const parts = splitTopLevel(nested[2] ?? '')
  switch (nested[1]?.toUpperCase()) {
    case 'ENUM':
      return { kind: 'enum', values: parts.map((part) => part.slice(1, -1).replaceAll("''", "'")) }
    case 'MAP':
      return { kind: 'map', key: parseType(parts[0] ?? ''), value: parseType(parts[1] ?? '') }
    case 'UNION':
      return { kind: 'union', fields: parts.map(parseField) }
    default:
      return { kind: 'struct', fields: parts.map(parseField) }
  }
}

/** The type's text, with what `replaced` gives in the place of a part; undefined leaves the part as it is. */
export function printType(tree: TypeTree, replaced: (part: TypeTree) => string | undefined): string {
  const replacement = replaced(tree)
  if (replacement !== undefined) return replacement
  const print = (part: TypeTree): string => printType(part, replaced)
  switch (tree.kind) {
    case 'scalar':
      return tree.name
    case 'enum':
      return `ENUM(${tree.values.map(quoteText).join(', ')})`
    case 'list':
      return `${print(tree.element)}[]`
    case 'array':
      return `${print(tree.element)}[${tree.size}]`
    case 'map':
      return `MAP(${print(tree.key)}, ${print(tree.value)})`
    case 'struct':
    case 'union': {
      // Fields without a name are known by their place.
      const name = (field: string, index: number): string => quoteName(field === '' ? String(index + 1) : field)
      const fields = tree.fields.map((field, index) => `${name(field.name, index)} ${print(field.type)}`)
      return `${tree.kind.toUpperCase()}(${fields.join(', ')})`
    }
  }
}

/** True where the test holds for the type or for a part of it. */
export function hasPart(tree: TypeTree, test: (part: TypeTree) => boolean): boolean {
  if (test(tree)) return true
  switch (tree.kind) {
    case 'scalar':
    case 'enum':
      return false
    case 'list':
    case 'array':
      return hasPart(tree.element, test)
    case 'map':
      return hasPart(tree.key, test) || hasPart(tree.value, test)
    case 'struct':
    case 'union':
      return tree.fields.some((field) => hasPart(field.type, test))
  }
}

function parseField(text: string): { readonly name: string; readonly type: TypeTree } {
  const quoted = /^"((?:[^"]|"")*)"\s+(.*)$/s.exec(text)
  if (quoted !== null) return { name: (quoted[1] ?? '').replaceAll('""', '"'), type: parseType(quoted[2] ?? '') }
  // What DuckDB leaves unquoted is a word that is no type's first one.
  const plain = /^([A-Za-z_]\w*)\s+(?!WITH TIME ZONE)(.*)$/s.exec(text)
  return plain === null ? { name: '', type: parseType(text) } : { name: plain[1] ?? '', type: parseType(plain[2] ?? '') }
}

/** Splits at commas outside of parentheses and quotes. */
function splitTopLevel(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let quote = ''
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (quote !== '') {
      if (char === quote) quote = ''
    } else if (char === '"' || char === "'") quote = char
    else if (char === '(' || char === '[') depth++
    else if (char === ')' || char === ']') depth--
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  const last = text.slice(start).trim()
  if (last !== '') parts.push(last)
  return parts
}
