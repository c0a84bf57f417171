/** What no client should send: malformed bodies, SQL too long, too deep and too wide, names with every nuisance of unicode. */
import { join } from 'node:path'
import { Oracle, rowsText } from '../support/lake.mjs'
import { startServer } from '../support/server.mjs'

const bodies = 500

/** A body that is nearly right: cut, flipped, of a wrong type, nested, repeated or no JSON at all. */
function malformed(own) {
  const right = JSON.stringify({ sql: 'SELECT 1', priority: 'interactive', params: { a: 1 }, timeoutMs: 1000, timeZone: 'UTC' })
  const wrongValues = [null, 1, -1, 1e308, '', 'x'.repeat(1000), [], {}, [[]], true, { sql: {} }, '\u0000', '\ud800']
  const fields = [
    'sql',
    'priority',
    'params',
    'timeoutMs',
    'timeZone',
    'tree',
    'reuse',
    'tenant',
    '__proto__',
    'constructor',
    'nobody',
  ]
  const makers = [
    () => right.slice(0, own.below(right.length)),
    () => {
      const bytes = Buffer.from(right)
      bytes[own.below(bytes.length)] = own.below(256)
      return bytes
    },
    () => JSON.stringify({ sql: 'SELECT 1', [own.pick(fields)]: own.pick(wrongValues) }),
    () => JSON.stringify({ [own.pick(fields)]: own.pick(wrongValues) }),
    () => JSON.stringify(own.pick(wrongValues)),
    () => own.bytes(1 + own.below(300)),
    () => `${'['.repeat(own.below(20_000))}`,
    () => `{"sql":"SELECT 1","params":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
    () => JSON.stringify({ sql: 'SELECT $a + $b', params: { a: own.pick(wrongValues), b: own.pick(wrongValues) } }),
    () => JSON.stringify({ sql: own.bytes(200).toString('latin1') }),
  ]
  return own.pick(makers)()
}

const paths = ['/v1/query', '/v1/queries', '/v1/predict', '/v1/explain', '/v1/learn', '/v1/tables/x/import']
const types = [
  'application/json',
  'application/json; charset=utf-16',
  'text/plain',
  '',
  'application/x-ndjson',
  'multipart/form-data',
  'application/json; a=b; c',
]

const names = [
  'ünïcödé',
  '日本語',
  'عربى',
  '😀',
  'a"b',
  "a'b",
  'a b',
  'a.b',
  'a;b',
  '--a',
  'SELECT',
  'a\u0301',
  '\u202eabc',
  'a\u200db',
  'ﬀ',
  'İ',
  'ß',
  'x'.repeat(200),
  '%s',
  '$1',
  '1st',
  'a\tb',
  '{}',
]

async function run({ random, inner, say, check }) {
  const data = inner('data')
  const server = await startServer({ data, state: inner('state'), flags: ['--nodes', '1'] })
  const pid = server.pid
  const alive = async (after) => {
    const answer = await server.query('SELECT 41 + 1').catch((error) => ({ status: 0, text: String(error) }))
    check(
      answer.status === 200 && server.ended() === undefined && server.pid === pid,
      `goes on after ${after}${answer.status === 200 ? '' : `: ${answer.text}`}`,
    )
  }

  const strange = []
  for (let index = 0; index < bodies; index++) {
    const own = random.child(index)
    const type = own.next() < 0.7 ? 'application/json' : own.pick(types)
    const answer = await server
      .call(own.pick(paths), { body: malformed(own), headers: { 'content-type': type }, waitMsMax: 20_000 })
      .catch((error) => ({ status: 0, text: String(error) }))
    const told =
      answer.status >= 400 && answer.status < 500 && typeof answer.error?.code === 'string' && answer.error.message !== ''
    if (!told && !(answer.status >= 200 && answer.status < 300))
      strange.push(`${index}: ${answer.status} ${answer.text.slice(0, 200)}`)
  }
  for (const each of strange.slice(0, 5)) say(each)
  check(
    strange.length === 0,
    `${bodies - strange.length} of ${bodies} malformed bodies were answered with what is wrong, or rightly`,
  )
  await alive('malformed bodies')

  const asked = async (what, sql, fine, codes, more = {}) => {
    const began = performance.now()
    const answer = await server
      .query(sql, { timeoutMs: 20_000, ...more }, 30_000)
      .catch((error) => ({ status: 0, text: String(error) }))
    const ms = performance.now() - began
    const right =
      answer.status === 200
        ? fine !== undefined && rowsText(answer.body.rows) === rowsText(fine)
        : codes.includes(answer.error?.code)
    check(
      right && ms < 22_000,
      `${what}: ${answer.status === 200 ? 'answered' : answer.text.slice(0, 150)} (${ms.toFixed(0)} ms)`,
    )
  }
  const errors = [
    'SQL_SYNTAX',
    'NOT_SUPPORTED',
    'REQUEST_TOO_LARGE',
    'PLANNER_LOST',
    'QUERY_FAILED',
    'STATEMENT_QUARANTINED',
    'MEMORY_EXCEEDED',
  ]
  await asked('SQL of 1 MB of comment', `SELECT 1 /* ${'x'.repeat(999_000)} */`, [[1]], errors)
  await asked('SQL of 1 MB of text', `SELECT length('${'x'.repeat(990_000)}')`, [[990_000]], errors)
  await asked('SQL beyond 1 MB', `SELECT length('${'x'.repeat(1_100_000)}')`, undefined, ['REQUEST_TOO_LARGE'])
  await asked('SQL of 20 MB', `SELECT length('${'x'.repeat(20_000_000)}')`, undefined, ['REQUEST_TOO_LARGE'])
  await asked(
    'an IN list of 100,000 constants',
    `SELECT count(*) FROM range(1000) t(i) WHERE i IN (${Array.from({ length: 100_000 }, (_, i) => i * 2).join(',')})`,
    [[500]],
    [],
  )
  await asked('10,000 nested parentheses', `SELECT ${'('.repeat(10_000)}1${')'.repeat(10_000)}`, [[1]], errors)
  await asked('10,000 nested calls', `SELECT ${'abs('.repeat(10_000)}1${')'.repeat(10_000)}`, [[1]], errors)
  await asked('10,000 nested subqueries', `${'SELECT * FROM ('.repeat(10_000)}SELECT 1${')'.repeat(10_000)}`, [[1]], errors)
  await asked('10,000 nested CASE', `SELECT ${'CASE WHEN true THEN '.repeat(10_000)}1${' END'.repeat(10_000)}`, [[1]], errors)
  await asked('10,000 NOTs', `SELECT ${'NOT '.repeat(10_000)} true`, [[true]], errors)
  await asked('a sum of 10,000 terms', `SELECT ${Array.from({ length: 10_000 }, () => '1').join(' + ')}`, [[10_000]], errors)
  await asked('10,000 ANDs', `SELECT ${Array.from({ length: 10_000 }, () => 'true').join(' AND ')}`, [[true]], errors)
  await alive('deep nesting')
  const wide = Array.from({ length: 2_000 }, (_, i) => i)
  await asked('2,000 columns', `SELECT ${wide.map((i) => `${i} AS c${i}`).join(', ')}`, [wide], [])
  await asked(
    '2,000 columns written',
    `CREATE TABLE wide AS SELECT ${wide.map((i) => `${i} AS c${i}`).join(', ')} FROM range(10)`,
    [[10]],
    [],
  )
  await asked('2,000 columns read', 'SELECT * FROM wide LIMIT 1', [wide], [])
  await asked(
    '2,000 columns summed',
    `SELECT ${wide.map((i) => `sum(c${i})`).join(', ')} FROM wide`,
    [wide.map((i) => i * 10)],
    [],
    { tree: 'always' },
  )

  const oracle = await Oracle.open()
  let unicode = 0
  for (const [index, name] of names.entries()) {
    const quoted = `"${name.replaceAll('"', '""')}"`
    const table = `"${name.replaceAll('"', '""')}_${index}"`
    const made = await server.query(
      `CREATE TABLE ${table} AS SELECT i AS ${quoted}, '${name.replaceAll("'", "''")}' AS v FROM range(3) t(i)`,
    )
    const answer = await server.query(`SELECT v, sum(${quoted}) AS ${quoted} FROM ${table} GROUP BY v`)
    const refused = made.status === 400 && typeof made.error?.message === 'string'
    const right =
      answer.status === 200 && rowsText(answer.body.rows) === rowsText([[name, 3]]) && answer.body.columns[1].name === name
    if (right || refused) unicode++
    else say(`${JSON.stringify(name)}: ${made.text.slice(0, 150)} ${answer.text.slice(0, 150)}`)
    if (refused) say(`refused: ${made.error.message}`)
  }
  check(
    unicode === names.length,
    `${unicode} of ${names.length} strange names of tables and columns work, or are refused by name`,
  )
  const { mkdirSync } = await import('node:fs')
  let files = 0
  for (const name of names.filter((each) => !each.startsWith('1') && Buffer.byteLength(each) < 200)) {
    mkdirSync(join(data, name), { recursive: true })
    await oracle.run(`COPY (SELECT 7 AS v) TO '${join(data, name, 'a.parquet').replaceAll("'", "''")}' (FORMAT parquet)`)
    const answer = await server.query(`SELECT v FROM "${name.replaceAll('"', '""')}"`)
    if (answer.status === 200 ? answer.body.rows[0][0] === 7 : typeof answer.error?.message === 'string') files++
    if (answer.status !== 200) say(`${JSON.stringify(name)}: ${answer.error?.code} ${answer.error?.message}`)
  }
  check(files > 0, `${files} strange names of folders were answered or refused`)
  oracle.close()
  await alive('strange names')
  await server.kill('SIGTERM')
}

export const scenario = { name: 'input', about: '500 malformed bodies; SQL too long, deep and wide; names', seconds: 60, run }
