import { hash } from 'node:crypto'
import type { Statements } from '../database.js'

/** A facet as one event says it; an empty text says that it is gone. */
export interface FacetWord {
  readonly kind: number
  readonly owner: number
  readonly name: string
  readonly at: string
  readonly text: string
}

const rememberedMax = 20_000
/** Facets that change before texts which nobody has any more are looked for. */
const tidyAfter = 50_000

/**
 * The latest facet of each name. Most events say again what is known, so texts are kept by their hash, and a facet that is said
 * again costs a new time and nothing else.
 */
export class FacetTable {
  readonly #sql: Statements
  readonly #words = new Map<string, FacetWord>()
  readonly #texts = new Map<string, number>()
  #written = 0

  constructor(sql: Statements) {
    this.#sql = sql
  }

  take(word: FacetWord): void {
    const key = `${word.kind} ${word.owner} ${word.name}`
    const known = this.#words.get(key)
    if (known === undefined || isLater(word, known)) this.#words.set(key, word)
  }

  flush(): void {
    for (const { kind, owner, name, at, text } of this.#words.values()) {
      this.#written += this.#sql.run(
        `INSERT INTO ol_facets VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, text = excluded.text
         WHERE excluded.at > at OR (excluded.at = at AND
           (SELECT text FROM ol_texts WHERE id = excluded.text) > (SELECT text FROM ol_texts WHERE id = ol_facets.text))`,
        kind,
        owner,
        name,
        at,
        this.#textId(text),
      )
    }
    this.#words.clear()
  }

  forget(): void {
    this.#words.clear()
    this.#texts.clear()
  }

  /** Removes texts that no facet has any more, when there may be many. */
  tidy(): void {
    if (this.#written < tidyAfter) return
    this.#written = 0
    this.#texts.clear()
    this.#sql.run('DELETE FROM ol_texts WHERE id NOT IN (SELECT text FROM ol_facets)')
  }

  #textId(text: string): number {
    const key = hash('sha256', text, 'base64')
    const known = this.#texts.get(key)
    if (known !== undefined) return known
    const [id] = this.#sql.first<[number]>(
      'INSERT INTO ol_texts (hash, text) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING id',
      key,
      text,
    ) as [number]
    if (this.#texts.size >= rememberedMax) this.#texts.clear()
    this.#texts.set(key, id)
    return id
  }
}

function isLater(a: FacetWord, b: FacetWord): boolean {
  return a.at > b.at || (a.at === b.at && a.text > b.text)
}
