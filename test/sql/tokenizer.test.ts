import { describe, expect, it } from 'vitest'
import { tokenize } from '../../src/sql/statement/tokenizer.js'

const values = (sql: string): readonly string[] => tokenize(sql).map((token) => `${token.kind}:${token.value}`)

describe('tokenize', () => {
  it('leaves out comments and white space, nested comments too', () => {
    expect(values('select -- one\n/* two /* three */ four */ 1')).toEqual(['word:select', 'number:1'])
  })

  it('keeps what looks like a comment or an end inside literals', () => {
    expect(values(`'a -- b; /* c' "d;""e" $$f ; '$$ $x$g $$ h$x$`)).toEqual([
      'string:a -- b; /* c',
      'quoted:d;"e',
      "string:f ; '",
      'string:g $$ h',
    ])
  })

  it('reads doubled quotes and escape strings', () => {
    expect(values(`'it''s' e'a\\'b;' E'c''d'`)).toEqual(["string:it's", "string:e'a\\'b;'", "string:E'c''d'"])
  })

  it('reads numbers, parameters and unicode names', () => {
    expect(values('1.5e-3 0xFF 1_000 .5 $1 $größe ? ?2 ünï_1')).toEqual([
      'number:1.5e-3',
      'number:0xFF',
      'number:1_000',
      'number:.5',
      'parameter:$1',
      'parameter:$größe',
      'parameter:?',
      'parameter:?2',
      'word:ünï_1',
    ])
  })

  it('gives places in characters', () => {
    const [, name] = tokenize("'ü😀' abc")
    expect(name).toMatchObject({ start: 6, end: 9, text: 'abc' })
  })

  it.each([
    ["select 'a", 7, 'unterminated string'],
    ['select "a', 7, 'unterminated quoted identifier'],
    ['select /* a /* b */', 7, 'unterminated comment'],
    ['select $$a', 7, 'unterminated dollar-quoted string'],
    ["select e'a\\'", 7, 'unterminated string'],
  ])('refuses what does not end: %s', (sql, position, message) => {
    expect(() => tokenize(sql)).toThrowError(expect.objectContaining({ code: 'SQL_SYNTAX', message, position }))
  })
})
