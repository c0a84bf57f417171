import { ForebayError } from '../../model/errors.js'
import type { Token } from './tokenizer.js'

/** A cursor over tokens: what a recursive-descent reader of statement headers needs. */
export class TokenReader {
  readonly #tokens: readonly Token[]
  readonly #textLength: number
  #at = 0

  constructor(tokens: readonly Token[], textLength: number) {
    this.#tokens = tokens
    this.#textLength = textLength
  }

  /** The next token without taking it. */
  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead]
  }

  /** Takes the next tokens if they are these words or symbols. */
  take(...values: readonly string[]): boolean {
    const matches = values.every((value, index) => {
      const token = this.peek(index)
      return token !== undefined && (token.kind === 'word' || token.kind === 'symbol') && token.value === value
    })
    if (matches) this.#at += values.length
    return matches
  }

  expect(...values: readonly string[]): void {
    if (!this.take(...values)) throw this.unexpected(values.join(' ').toUpperCase())
  }

  /** An identifier as the user wrote it, quoted or not. */
  identifier(what: string): string {
    const token = this.peek()
    if (token === undefined || (token.kind !== 'word' && token.kind !== 'quoted')) throw this.unexpected(what)
    this.#at++
    return token.kind === 'quoted' ? token.value : token.text
  }

  /** Character offset of the next token, or the end of the text. */
  position(): number {
    return this.peek()?.start ?? this.#textLength
  }

  expectEnd(): void {
    if (this.peek() !== undefined) throw this.unexpected('the end of the statement')
  }

  unexpected(wanted: string): ForebayError {
    const token = this.peek()
    const found = token === undefined ? 'end of statement' : `"${token.text.slice(0, 60)}"`
    return new ForebayError('SQL_SYNTAX', `expected ${wanted}, found ${found}`, { position: this.position() })
  }
}
