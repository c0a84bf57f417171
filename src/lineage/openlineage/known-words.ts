import type { ColumnInput } from './column-sets.js'
import type { DatasetReference } from './open-lineage-event.js'

/** What the facets of one job or dataset say, taken apart. */
export interface Words {
  readonly facets: readonly { readonly name: string; readonly text: string }[]
  /** Where the columns come from; undefined where nothing is said of them. */
  readonly columns: readonly ColumnInput[] | undefined
  /** The datasets that the columns come from. */
  readonly sources: readonly DatasetReference[]
  /** Other names of the dataset. */
  readonly aliases: readonly DatasetReference[]
}

/** Characters of facets that are remembered; beyond it the memory starts anew. */
const charactersMax = 16 << 20

/**
 * Facets by their text. A job that runs every minute says the same of its datasets every minute, and taking facets apart costs
 * more than all the rest of keeping an event; so what was said before in the same words is found instead.
 */
export class KnownWords {
  readonly #known = new Map<string, { readonly text: string; readonly words: Words }>()
  #characters = 0

  /** What a text means, taken apart when it is not the one that was last seen under this key with this length. */
  of(key: string, text: string, takeApart: (text: string) => Words): Words {
    // The start and the end of a run differ in what they say, and mostly in its length: both stay known.
    const place = `${key} ${text.length}`
    const known = this.#known.get(place)
    if (known?.text === text) return known.words
    // A copy, for a part of a string keeps the whole of it: the event that it was cut from.
    const copy = Buffer.from(text).toString()
    const words = takeApart(copy)
    this.#characters += known === undefined ? text.length : 0
    if (this.#characters > charactersMax) {
      this.forget()
      this.#characters = text.length
    }
    this.#known.set(place, { text: copy, words })
    return words
  }

  forget(): void {
    this.#known.clear()
    this.#characters = 0
  }
}
