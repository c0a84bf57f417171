import { tokenize } from '../../src/sql/statement/tokenizer.js'
import type { Seeded } from './seeded.js'

/** The same text with other literals in some places. */
export function varied(sql: string, random: Seeded): string {
  let text = ''
  let end = 0
  for (const { kind, start, end: after, text: written } of tokenize(sql)) {
    text += sql.slice(end, start)
    end = after
    const literal = kind === 'number' || (kind === 'string' && written.startsWith("'"))
    if (!literal || random.below(2) === 0) text += written
    else if (kind === 'string') text += random.pick(["'é ''quoted'''", "'2026-01-01'", "''", written])
    else if (/^\d+$/.test(written)) text += String(random.below(1_000))
    else text += random.pick(['0.05', '12.50', '7.25', written])
  }
  return text + sql.slice(end)
}
