import type { ByteWriter } from './byte-writer.js'
import type { TextStyle } from './cell-writers.js'
import { textOf } from './strings.js'

const doubleQuote = 34
const backslash = 92
const hex = '0123456789abcdef'

/** JSON: every text in quotes, escaped as RFC 8259 asks; UTF-8 goes through as it is. */
export const jsonStyle: TextStyle = {
  nullText: 'null',
  quote: doubleQuote,
  writeText(out, { bytes, view, from, to }) {
    out.reserve((to - from) * 6 + 2)
    const { bytes: target, view: targetView } = out
    let at = out.length
    target[at++] = doubleQuote
    let index = from
    for (; index + 4 <= to; index += 4, at += 4) {
      const word = view.getInt32(index)
      if (needsEscape(word)) break
      targetView.setInt32(at, word)
    }
    for (; index < to; index++) {
      const byte = bytes[index] as number
      if (byte >= 32 && byte !== doubleQuote && byte !== backslash) target[at++] = byte
      else at = escape(target, at, byte)
    }
    target[at++] = doubleQuote
    out.length = at
  },
  writeNested: (out, json) => out.text(json),
}

/**
 * True when one of a word's four bytes is below 32, a quote or a backslash. Subtracted from each byte, 32 sets the highest bit of those
 * below it; 1 does so for a zero, which is what a byte becomes that is XORed with itself (Bit Twiddling Hacks, "has less").
 */
function needsEscape(word: number): boolean {
  const quotes = word ^ 0x22222222
  const backslashes = word ^ 0x5c5c5c5c
  const found = ((word - 0x20202020) & ~word) | ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes)
  return (found & 0x80808080) !== 0
}

function escape(target: Uint8Array, start: number, byte: number): number {
  let at = start
  target[at++] = backslash
  if (byte === doubleQuote || byte === backslash) target[at++] = byte
  else if (byte === 10) target[at++] = 110
  else if (byte === 13) target[at++] = 114
  else if (byte === 9) target[at++] = 116
  else {
    target[at++] = 117
    target[at++] = 48
    target[at++] = 48
    target[at++] = hex.charCodeAt(byte >> 4)
    target[at++] = hex.charCodeAt(byte & 15)
  }
  return at
}

/** CSV after RFC 4180: quotes only where a comma, a quote or a line end stands inside, and around the empty text, which is not NULL. */
export const csvStyle: TextStyle = {
  nullText: '',
  quote: 0,
  writeText(out, { bytes, from, to }) {
    out.reserve((to - from) * 2 + 2)
    const target = out.bytes
    let at = out.length
    if (!needsQuotes(bytes, from, to)) {
      for (let index = from; index < to; index++) target[at++] = bytes[index] as number
      out.length = at
      return
    }
    target[at++] = doubleQuote
    for (let index = from; index < to; index++) {
      const byte = bytes[index] as number
      if (byte === doubleQuote) target[at++] = doubleQuote
      target[at++] = byte
    }
    target[at++] = doubleQuote
    out.length = at
  },
  writeNested: (out, json) => writeText(out, json),
}

/** One text as a CSV field. */
export function writeText(out: ByteWriter, text: string): void {
  csvStyle.writeText(out, textOf(text))
}

function needsQuotes(bytes: Uint8Array, from: number, to: number): boolean {
  if (from === to) return true
  for (let index = from; index < to; index++) {
    const byte = bytes[index] as number
    if (byte === doubleQuote || byte === 44 || byte === 10 || byte === 13) return true
  }
  return false
}
