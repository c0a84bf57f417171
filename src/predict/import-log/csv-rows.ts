import { StringDecoder } from 'node:string_decoder'

/** One row of a CSV file and the line on which it begins. */
export interface CsvRow {
  readonly line: number
  readonly fields: readonly string[]
}

/** Longest row that is taken for one: an open quote would swallow the rest of the file. */
const rowCharsMax = 4_000_000

/** Rows of RFC 4180 text, quoted fields with line breaks included. Give `|` for what warehouses unload by default. */
export async function* csvRows(chunks: AsyncIterable<Uint8Array>, separator = ','): AsyncGenerator<CsvRow> {
  const decoder = new StringDecoder('utf8')
  let fields: string[] = []
  let field = ''
  let state: 'plain' | 'quoted' | 'quote-seen' = 'plain'
  let line = 1
  let began = 1
  let length = 0
  for await (const chunk of chunks) {
    const rows: CsvRow[] = []
    for (const character of decoder.write(Buffer.from(chunk))) {
      if (character === '\n') line++
      if (++length > rowCharsMax) throw new Error(`the row that begins on line ${began} does not end`)
      if (state === 'quoted') {
        if (character === '"') state = 'quote-seen'
        else field += character
      } else if (character === '"' && (state === 'quote-seen' || field === '')) {
        if (state === 'quote-seen') field += '"'
        state = 'quoted'
      } else if (character === separator) {
        fields.push(field)
        field = ''
        state = 'plain'
      } else if (character === '\n') {
        fields.push(field)
        if (fields.length > 1 || field !== '') rows.push({ line: began, fields })
        fields = []
        field = ''
        state = 'plain'
        began = line
        length = 0
      } else if (character !== '\r') {
        field += character
        state = 'plain'
      }
    }
    yield* rows
  }
  if (state === 'quoted') throw new Error(`the quote that opens on line ${began} is not closed`)
  if (fields.length > 0 || field !== '') yield { line: began, fields: [...fields, field] }
}
