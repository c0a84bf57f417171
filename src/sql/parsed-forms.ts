import { isDeepStrictEqual } from 'node:util'
import type { AstObject, AstValue } from './ast-text.js'
import { child, isObject } from './ast-walk.js'
import { type Token, tokenize } from './statement/tokenizer.js'

/** A literal of a text: where it stands, and what the tree has in its place. */
interface Literal {
  /** First byte in the text, and how many bytes it has. */
  readonly start: number
  readonly bytes: number
  /** Literals of one kind have one type in the tree. */
  readonly kind: string
  readonly value: string | number
}

interface Text {
  /** What stands between the literals, and the kind of each. */
  readonly form: string
  readonly literals: readonly Literal[]
}

interface ParsedForm {
  readonly tree: AstObject
  readonly literals: readonly Literal[]
  /** Index of the literal that a constant of the tree comes from, by the constant's place in the text. */
  readonly places: ReadonlyMap<AstValue, number>
  /** Literals that another text had in their place, when the form gave the parser's own tree of that text. */
  readonly proven: Set<number>
}

/** Longer texts are parsed each time. */
const charactersMax = 20_000

/**
 * Trees of texts that differ from one that was parsed in literals alone. A literal is exchangeable where the tree has exactly one
 * constant at its place with its value; the others belong to the form. It is exchanged once that has given the parser's own
 * tree for another text.
 */
export class ParsedForms {
  /** Of the literals of a form, those that the parser made something else of. */
  readonly #fixed = new Map<string, readonly number[]>()
  readonly #forms = new Map<string, ParsedForm>()
  readonly #formsMax: number

  constructor(formsMax: number) {
    this.#formsMax = formsMax
  }

  /** The tree of a text of a known form, without asking the parser; whoever gets it may change it. */
  tree(sql: string): AstObject | undefined {
    const text = textOf(sql)
    const form = text === undefined ? undefined : this.#find(text)
    if (text === undefined || form === undefined) return undefined
    return differing(form, text).every((index) => form.proven.has(index)) ? made(form, text) : undefined
  }

  /** What the parser made of a text. */
  learn(sql: string, tree: AstObject): void {
    const text = textOf(sql)
    if (text === undefined) return
    const form = this.#find(text)
    if (form === undefined) this.#keep(text, tree)
    else if (isDeepStrictEqual(made(form, text), tree)) for (const index of differing(form, text)) form.proven.add(index)
    else this.#forms.delete(this.#key(text))
  }

  #find(text: Text): ParsedForm | undefined {
    const key = this.#key(text)
    const form = this.#forms.get(key)
    if (form === undefined) return undefined
    this.#forms.delete(key)
    this.#forms.set(key, form)
    return form
  }

  #key({ form, literals }: Text): string {
    return JSON.stringify([form, this.#fixed.get(form)?.map((index) => literals[index]?.value)])
  }

  #keep(text: Text, tree: AstObject): void {
    const { form, literals } = text
    const places = placesOf(tree, literals)
    const exchangeable = new Set(places.values())
    const others = [...literals.keys()].filter((index) => !exchangeable.has(index))
    const fixed = this.#fixed.get(form) ?? others
    if (places.size === 0 || others.some((index) => !fixed.includes(index))) return
    this.#fixed.set(form, fixed)
    this.#forms.set(this.#key(text), { tree: structuredClone(tree), literals, places, proven: new Set() })
    forgetOldest(this.#forms, this.#formsMax)
    forgetOldest(this.#fixed, this.#formsMax)
  }
}

function forgetOldest(map: Map<string, unknown>, entriesMax: number): void {
  if (map.size <= entriesMax) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}

/** Takes a text apart; undefined where it has no literals, or is too long. */
function textOf(sql: string): Text | undefined {
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
  return literals.length === 0 ? undefined : { form: JSON.stringify([...pieces, sql.slice(end)]), literals }
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
function placesOf(tree: AstObject, literals: readonly Literal[]): ReadonlyMap<AstValue, number> {
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

/** A copy of a form's tree with the literals of a text, and the places of all nodes in that text. */
function made({ tree, literals, places }: ParsedForm, text: Text): AstObject {
  const moved = (place: AstValue): AstValue => {
    if (typeof place !== 'number') return place
    let by = 0
    for (const [index, { start, bytes }] of literals.entries()) {
      if (start >= place) break
      by += (text.literals[index]?.bytes ?? bytes) - bytes
    }
    return place + by
  }
  const copy = (value: AstValue): AstValue => {
    if (Array.isArray(value)) return value.map(copy)
    if (!isObject(value)) return value
    const node: AstObject = {}
    for (const key in value) node[key] = key === 'query_location' ? moved(value[key] as AstValue) : copy(value[key] as AstValue)
    const index = value.class === 'CONSTANT' ? places.get(value.query_location ?? null) : undefined
    if (index !== undefined) node.value = { ...child(node, 'value'), value: text.literals[index]?.value ?? null }
    return node
  }
  return copy(tree) as AstObject
}

/** The literals in which a text is unlike the one that its form was made of. */
function differing({ literals }: ParsedForm, text: Text): readonly number[] {
  return [...literals.keys()].filter((index) => literals[index]?.value !== text.literals[index]?.value)
}
