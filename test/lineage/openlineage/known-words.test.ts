import { describe, expect, it } from 'vitest'
import { KnownWords, type Words } from '../../../src/lineage/openlineage/known-words.js'

const wordsOf = (text: string): Words => ({ facets: [{ name: 'f', text }], columns: undefined, sources: [], aliases: [] })

describe('known words', () => {
  it('takes apart once what is said again in the same words', () => {
    const known = new KnownWords()
    let times = 0
    const takeApart = (text: string): Words => {
      times++
      return wordsOf(text)
    }
    for (let turn = 0; turn < 3; turn++) {
      // The start and the end of a run take turns.
      for (const text of ['{"a":1}', '{"a":1,"b":2}']) expect(known.of('dataset 1', text, takeApart)).toEqual(wordsOf(text))
    }
    expect(times).toBe(2)
  })

  it('never takes other words for the same, of whatever length and of whomever', () => {
    const known = new KnownWords()
    for (const [key, text] of [
      ['dataset 1', '{"a":1}'],
      ['dataset 1', '{"a":2}'],
      ['dataset 2', '{"a":3}'],
      ['dataset 1', '{"a":1}'],
    ] as const) {
      expect(known.of(key, text, wordsOf)).toEqual(wordsOf(text))
    }
  })

  it('keeps a bounded number of characters', () => {
    const known = new KnownWords()
    const text = 'x'.repeat(10 << 20)
    let times = 0
    const count = (given: string): Words => {
      times++
      return wordsOf(given.slice(0, 1))
    }
    known.of('dataset 1', text, count)
    known.of('dataset 2', text, count)
    known.of('dataset 1', text, count)
    expect(times).toBe(3)
  })
})
