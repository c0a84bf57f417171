/**
 * Answers of a function whose answer depends on its question alone, by the question's text. The least recently used ones go when
 * questions and answers together are too long. An answer is shared by all who ask, so nobody may change it.
 */
export class AnswerMemo<A> {
  readonly #kept = new Map<string, { readonly answer: A; readonly characters: number }>()
  readonly #charactersMax: number
  #characters = 0

  constructor(charactersMax: number) {
    this.#charactersMax = charactersMax
  }

  find(question: string): A | undefined {
    const kept = this.#kept.get(question)
    if (kept === undefined) return undefined
    this.#kept.delete(question)
    this.#kept.set(question, kept)
    return kept.answer
  }

  /** `length` is that of the answer as text. */
  keep(question: string, answer: A, length: number): A {
    this.#forget(question)
    const characters = question.length + length
    this.#characters += characters
    this.#kept.set(question, { answer, characters })
    for (const oldest of this.#kept.keys()) {
      if (this.#characters <= this.#charactersMax) break
      this.#forget(oldest)
    }
    return answer
  }

  #forget(question: string): void {
    this.#characters -= this.#kept.get(question)?.characters ?? 0
    this.#kept.delete(question)
  }
}
