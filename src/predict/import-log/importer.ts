import type { LoggedQuery } from '../log-line.js'
import type { Fields } from './fields.js'

/** A query of another system's log, in our terms. */
export type Imported = Omit<LoggedQuery, 'line'>

/** Reads the log of one other system. */
export interface Importer {
  readonly layout: 'json-lines' | 'csv' | 'csv-or-json-lines'
  /** Names of the columns of CSV without a header. */
  readonly columns?: readonly string[]
  /** A record's query; `ignored` for a record that is in order and no query, else why it cannot be read. Names are in lower case where records may be CSV. */
  query(record: Fields, line: number): Imported | 'ignored' | { readonly reason: string }
  /** At the end of the log: records that waited for another one in vain. */
  unmatched?(): readonly BadLine[]
}

interface BadLine {
  readonly line: number
  readonly reason: string
}
