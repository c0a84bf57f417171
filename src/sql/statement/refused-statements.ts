import { ForebayError } from '../../model/errors.js'

/** Statements that a user may not run here at all: they reach files, settings, extensions or DuckDB's own catalogue. */
const notAllowed = new Set([
  'attach',
  'call',
  'checkpoint',
  'copy',
  'deallocate',
  'detach',
  'execute',
  'export',
  'force',
  'import',
  'install',
  'load',
  'pragma',
  'prepare',
  'reset',
  'set',
  'use',
])

/** Statements that would make sense on tables, but that Forebay does not have, with what to do instead. */
const notSupported: ReadonlyMap<string, string> = new Map([
  ['abort', 'each statement is atomic by itself'],
  ['alter', 'write the table anew with CREATE OR REPLACE TABLE … AS SELECT …'],
  ['analyze', 'statistics are kept by Forebay itself'],
  ['begin', 'each statement is atomic by itself'],
  ['comment', 'comments on tables are not kept'],
  ['commit', 'each statement is atomic by itself'],
  ['delete', 'write the table anew with CREATE OR REPLACE TABLE t AS SELECT … FROM t WHERE …'],
  ['end', 'each statement is atomic by itself'],
  ['merge', 'write the table anew with CREATE OR REPLACE TABLE … AS SELECT …'],
  ['pivot', 'use aggregates with FILTER (WHERE …), or CASE'],
  ['pivot_longer', 'use UNPIVOT inside FROM'],
  ['pivot_wider', 'use aggregates with FILTER (WHERE …), or CASE'],
  ['rollback', 'each statement is atomic by itself'],
  ['start', 'each statement is atomic by itself'],
  ['truncate', 'write the table anew with CREATE OR REPLACE TABLE … AS SELECT …'],
  ['unpivot', 'use SELECT * FROM t UNPIVOT (…)'],
  ['update', 'write the table anew with CREATE OR REPLACE TABLE t AS SELECT … FROM t'],
  ['vacuum', 'files are tidied by Forebay itself'],
])

/** The error of a statement that begins with this word; undefined where the word begins none that DuckDB knows. */
export function refusal(word: string, position: number): ForebayError | undefined {
  const name = word.toUpperCase()
  if (notAllowed.has(word)) {
    return new ForebayError('NOT_ALLOWED', `${name} is not allowed here`, {
      position,
      hint: 'a query may read the tables of the data folder and write tables and views, nothing else',
    })
  }
  const hint = notSupported.get(word)
  return hint === undefined ? undefined : new ForebayError('NOT_SUPPORTED', `${name} is not supported`, { position, hint })
}

/** The error of `CREATE …` or `DROP …` of something that is neither a table nor a view. */
export function refusedObject(verb: string, object: string, position: number): ForebayError {
  const secret = object === 'secret' || object === 'persistent'
  return new ForebayError(
    secret ? 'NOT_ALLOWED' : 'NOT_SUPPORTED',
    `${verb} ${object.toUpperCase()} is not ${secret ? 'allowed' : 'supported'}`,
    { position, hint: `${verb} TABLE and ${verb} VIEW are` },
  )
}
