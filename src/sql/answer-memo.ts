/**
 * Answers of a function whose answer depends on its question alone, by the question's text. The least recently used ones go when
 * questions and answers together are too long. An answer is shared by all who ask, so nobody may change it.
 */
export class AnswerMemo<A> {
  readonly #kept = new Map<string, { readonly answer: A; readonly characters: number }>()
  readonly #charactersMax: number
  readonly #lengthOf: (answer: A) => number
  #characters = 0

  constructor(charactersMax: number, lengthOf: (answer: A) => number) {
    this.#charactersMax = charactersMax
    this.#lengthOf = lengthOf
  }

  /** The answer to a question, asked where it is not known. What is thrown is not kept. */
  async answer(question: string, ask: () => Promise<A>): Promise<A> {
    const known = this.#find(question)
    return known === undefined ? this.#keep(question, await ask()) : known
  }

  /** The answers to several questions; those that are not known are asked together. */
  async answers(questions: readonly string[], ask: (open: readonly string[]) => Promise<readonly A[]>): Promise<readonly A[]> {
    const found = new Map(questions.map((question) => [question, this.#find(question)]))
    const open = [...found].filter(([, answer]) => answer === undefined).map(([question]) => question)
    const asked = open.length === 0 ? [] : await ask(open)
    for (const [index, question] of open.entries()) found.set(question, this.#keep(question, asked[index] as A))
    return questions.map((question) => found.get(question) as A)
  }

  #find(question: string): A | undefined {
    const kept = this.#kept.get(question)
    if (kept === undefined) return undefined
    this.#kept.delete(question)
    this.#kept.set(question, kept)
    return kept.answer
  }

  #keep(question: string, answer: A): A {
    this.#forget(question)
    const characters = question.length + this.#lengthOf(answer)
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
