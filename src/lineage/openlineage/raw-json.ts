/**
 * Finds values in JSON text without parsing them, so that what a client sent can be kept byte for byte: numbers with their digits,
 * escapes as they were written, white space. Positions are only right for valid JSON; whoever cuts a text that was not parsed
 * before parses the pieces.
 */

const quote = 34
const backslash = 92
const openBrace = 123
const closeBrace = 125
const openBracket = 91
const closeBracket = 93
const comma = 44
const colon = 58

/** A member of an object: its name, and where its value stands in the text. */
export interface RawMember {
  readonly name: string
  readonly from: number
  readonly to: number
}

/** The first position at or after `at` that is not white space. */
export function skipSpace(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return at
    at++
  }
}

/** Where the value that begins at `at` ends; -1 when the text ends before it does. */
export function valueEnd(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first === quote) return stringEnd(text, at)
  if (first !== openBrace && first !== openBracket) return scalarEnd(text, at)
  let depth = 0
  for (let index = at; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) {
      index = stringEnd(text, index) - 1
      if (index < 0) return -1
    } else if (code === openBrace || code === openBracket) depth++
    else if ((code === closeBrace || code === closeBracket) && --depth === 0) return index + 1
  }
  return -1
}

/** The elements of the array that begins at `at`, as `[from, to)`; undefined when it is not one that ends. */
export function arrayElements(
  text: string,
  at: number,
): { readonly elements: [number, number][]; readonly end: number } | undefined {
  if (text.charCodeAt(at) !== openBracket) return undefined
  const elements: [number, number][] = []
  let index = skipSpace(text, at + 1)
  if (text.charCodeAt(index) === closeBracket) return { elements, end: index + 1 }
  for (;;) {
    const to = valueEnd(text, index)
    if (to === -1 || to === index) return undefined
    elements.push([index, to])
    index = skipSpace(text, to)
    const code = text.charCodeAt(index)
    if (code === closeBracket) return { elements, end: index + 1 }
    if (code !== comma) return undefined
    index = skipSpace(text, index + 1)
  }
}

/** The members of the object that begins at `at`, in their order; none when it is not an object that ends. */
export function objectMembers(text: string, at: number): RawMember[] {
  const members: RawMember[] = []
  if (text.charCodeAt(at) !== openBrace) return members
  let index = skipSpace(text, at + 1)
  while (text.charCodeAt(index) === quote) {
    const nameEnd = stringEnd(text, index)
    if (nameEnd === -1) return []
    const name = nameOf(text, index, nameEnd)
    index = skipSpace(text, nameEnd)
    if (text.charCodeAt(index) !== colon) return []
    const from = skipSpace(text, index + 1)
    const to = valueEnd(text, from)
    if (to === -1) return []
    members.push({ name, from, to })
    index = skipSpace(text, to)
    if (text.charCodeAt(index) !== comma) break
    index = skipSpace(text, index + 1)
  }
  return members
}

/** Where the value of a member begins, the last one of that name as in JSON.parse; -1 without one. */
export function memberValue(text: string, at: number, name: string): number {
  let found = -1
  for (const member of objectMembers(text, at)) if (member.name === name) found = member.from
  return found
}

function nameOf(text: string, from: number, to: number): string {
  const name = text.slice(from + 1, to - 1)
  return name.includes('\\') ? (JSON.parse(text.slice(from, to)) as string) : name
}

function stringEnd(text: string, at: number): number {
  for (let from = at + 1; ; ) {
    const close = text.indexOf('"', from)
    if (close === -1) return -1
    let before = close - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((close - before) % 2 === 1) return close + 1
    from = close + 1
  }
}

function scalarEnd(text: string, at: number): number {
  let index = at
  for (; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === comma || code === closeBrace || code === closeBracket || code <= 32) break
  }
  return index
}
