import type { AstObject, AstValue } from './ast-text.js'
import { child, isObject } from './ast-walk.js'
import { type Token, tokenize } from './statement/tokenizer.js'

/** A literal of a text: where it stands, and what the tree has in its place. */
export interface Literal {
  /** First byte in the text, and how many bytes it has. */
  readonly start: number
  readonly bytes: number
  /** Literals of one kind have one type in the tree. */
  readonly kind: string
  readonly value: string | number
}

export interface LiteralText {
  /** What stands between the literals, and the kind of each. */
  readonly form: string
  readonly literals: readonly Literal[]
}

/** Longer texts are parsed each time. */
const charactersMax = 20_000

/** Takes a text apart; undefined where it is too long. */
export function takeLiterals(sql: string): LiteralText | undefined {
  if (sql.length > charactersMax) return undefined
  const isAscii = Buffer.byteLength(sql) === sql.length
  const literals: Literal[] = []
  const pieces: string[] = []
  let end = 0
  let before: Token | undefined
  for (const token of tokenize(sql)) {
    const read = before?.end === token.start && before.kind === 'word' ? undefined : literalOf(token)
    before = token
    if (read === undefined) continue
    const start = isAscii ? token.start : Buffer.byteLength(sql.slice(0, token.start))
    literals.push({ ...read, start, bytes: isAscii ? token.text.length : Buffer.byteLength(token.text) })
    pieces.push(sql.slice(end, token.start), read.kind)
    end = token.end
  }
  return { form: JSON.stringify([...pieces, sql.slice(end)]), literals }
}

/** Plain numbers that fit an INTEGER or a DECIMAL by their digits alone, and plain strings; prefixed ones are left in the form. */
function literalOf({ kind, text, value }: Token): Pick<Literal, 'kind' | 'value'> | undefined {
  if (kind === 'string') return text.startsWith("'") && !/\p{Cc}/u.test(text) ? { kind: 'text', value } : undefined
  if (kind !== 'number') return undefined
  if (/^(?:0|[1-9]\d{0,8})$/.test(text)) return { kind: 'integer', value: Number(text) }
  const [, whole, fraction] = /^(\d{1,7})\.(\d{1,7})$/.exec(text) ?? []
  if (whole === undefined || fraction === undefined) return undefined
  return { kind: `${whole.length}.${fraction.length}`, value: Number(whole + fraction) }
}

/** For each constant that is the only one at a literal's place, and has its value, which literal it is. */
export function placesOf(tree: AstObject, literals: readonly Literal[]): ReadonlyMap<AstValue, number> {
  const byStart = new Map(literals.map(({ start }, index) => [start as AstValue, index]))
  const places = new Map<AstValue, number>()
  const several = new Set<AstValue>()
  const visit = (value: AstValue): void => {
    if (Array.isArray(value)) value.forEach(visit)
    if (!isObject(value)) return
    const place = value.query_location
    const index = value.class === 'CONSTANT' && place !== undefined ? byStart.get(place) : undefined
    if (index !== undefined && place !== undefined) {
      if (places.has(place) || child(value, 'value')?.value !== literals[index]?.value) several.add(place)
      places.set(place, index)
    }
    for (const key in value) visit(value[key] as AstValue)
  }
  visit(tree)
  for (const place of several) places.delete(place)
  return places
}
