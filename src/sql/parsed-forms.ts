import { isDeepStrictEqual } from 'node:util'
import type { AstObject, AstValue } from './ast-text.js'
import { child, isObject } from './ast-walk.js'
import { LiteralForms } from './literal-forms.js'
import { type Literal, type LiteralText, placesOf, takeLiterals } from './literals.js'

interface ParsedForm {
  readonly tree: AstObject
  readonly literals: readonly Literal[]
  /** Index of the literal that a constant of the tree comes from, by the constant's place in the text. */
  readonly places: ReadonlyMap<AstValue, number>
}

/**
 * Trees of texts that differ from one that was parsed in literals alone. A literal is exchangeable where the tree has exactly one
 * constant at its place with its value, and is exchanged once that has given the parser's own tree for another text.
 */
export class ParsedForms {
  readonly #forms: LiteralForms<ParsedForm>

  constructor(formsMax: number) {
    this.#forms = new LiteralForms(formsMax)
  }

  /** The tree of a text of a known form, without asking the parser; whoever gets it may change it. */
  tree(sql: string): AstObject | undefined {
    const text = takeLiterals(sql)
    const form = text === undefined ? undefined : this.#forms.serve(text)
    return text === undefined || form === undefined ? undefined : made(form, text)
  }

  /** What the parser made of a text. */
  learn(sql: string, tree: AstObject): void {
    const text = takeLiterals(sql)
    if (text === undefined) return
    const form = this.#forms.find(text)
    if (form === undefined) {
      const places = placesOf(tree, text.literals)
      if (places.size === 0) return
      this.#forms.keep(text, new Set(places.values()), { tree: structuredClone(tree), literals: text.literals, places })
    } else if (isDeepStrictEqual(made(form, text), tree)) this.#forms.prove(text)
    else this.#forms.forget(text)
  }
}

/** A copy of a form's tree with the literals of a text, and the places of all nodes in that text. */
function made({ tree, literals, places }: ParsedForm, text: LiteralText): AstObject {
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
