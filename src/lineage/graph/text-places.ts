/** Texts of a message that repeat: each is sent once, and rows name it by its place. Place 0 is null. */
export class TextPlaces {
  readonly texts: (string | null)[] = [null]
  readonly #places = new Map<string, number>()

  place(text: string | null): number {
    if (text === null) return 0
    let place = this.#places.get(text)
    if (place === undefined) {
      place = this.texts.push(text) - 1
      this.#places.set(text, place)
    }
    return place
  }
}
