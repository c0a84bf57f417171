import type { LiteralText } from './literals.js'

interface Kept<V> {
  readonly value: V
  readonly text: LiteralText
  /** Literals that another text had in their place, when the value served for that text too. */
  readonly proven: Set<number>
}

/**
 * What was made of a text, to be used for others that differ from it in literals alone. Some literals belong to the form (those that
 * what was made has no place for); each of the others is exchanged once that has been proven with another text. The least
 * recently used form goes first.
 */
export class LiteralForms<V> {
  /** Of the literals of a form, those that belong to it. */
  readonly #fixed = new Map<string, readonly number[]>()
  readonly #kept = new Map<string, Kept<V>>()
  readonly #formsMax: number

  constructor(formsMax: number) {
    this.#formsMax = formsMax
  }

  /** What is kept for a text's form, proven or not. */
  find(text: LiteralText): V | undefined {
    return this.#find(text)?.value
  }

  /** What is kept for a text's form, where every literal in which the two differ may be exchanged. */
  serve(text: LiteralText): V | undefined {
    const kept = this.#find(text)
    return kept !== undefined && differing(kept, text).every((index) => kept.proven.has(index)) ? kept.value : undefined
  }

  /** What is kept has served for this text. */
  prove(text: LiteralText): void {
    const kept = this.#find(text)
    if (kept !== undefined) for (const index of differing(kept, text)) kept.proven.add(index)
  }

  /** Keeps what was made of a text; nothing where a literal has no place in it that has one in others of its form. */
  keep(text: LiteralText, exchangeable: ReadonlySet<number>, value: V): void {
    const { form, literals } = text
    const others = [...literals.keys()].filter((index) => !exchangeable.has(index))
    const fixed = this.#fixed.get(form) ?? others
    if (others.some((index) => !fixed.includes(index))) return
    this.#fixed.set(form, fixed)
    this.#kept.set(this.#key(text), { value, text, proven: new Set() })
    forgetOldest(this.#kept, this.#formsMax)
    forgetOldest(this.#fixed, this.#formsMax)
  }

  forget(text: LiteralText): void {
    this.#kept.delete(this.#key(text))
  }

  clear(): void {
    this.#fixed.clear()
    this.#kept.clear()
  }

  #find(text: LiteralText): Kept<V> | undefined {
    const key = this.#key(text)
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    return kept
  }

  #key({ form, literals }: LiteralText): string {
    return JSON.stringify([form, this.#fixed.get(form)?.map((index) => literals[index]?.value)])
  }
}

/** The literals in which a text is unlike the one that is kept. */
function differing(kept: Kept<unknown>, { literals }: LiteralText): readonly number[] {
  return [...literals.keys()].filter((index) => literals[index]?.value !== kept.text.literals[index]?.value)
}

function forgetOldest(map: Map<string, unknown>, entriesMax: number): void {
  if (map.size <= entriesMax) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}
