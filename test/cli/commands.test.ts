/** Every command, as a script calls it: exit codes, what goes to stdout and what to stderr, text and JSON. */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { writeSmallLake } from '../support/small-lake.js'
import { startServer, type TestServer } from '../support/start-server.js'
import { type Ended, main, type RunOptions, runCommand, runProgram } from './run-command.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-cli-'))
const data = join(root, 'data')
let server: TestServer
let queryId = ''
let segment = ''

beforeAll(async () => {
  await writeSmallLake(data)
  server = await startServer({ data })
  ;({ queryId } = await server.query('SELECT region, sum(amount) AS total FROM sales GROUP BY region'))
  await server.query('CREATE TABLE kept AS SELECT * FROM sales')
  segment = (await server.call('/v1/tables/sales')).body.segments[0].id
  await vi.waitFor(async () => expect((await server.call(`/v1/lineage?from=query:${queryId}`)).status).toBe(200), 5_000)
}, 60_000)
afterAll(async () => {
  await server?.stop()
  rmSync(root, { recursive: true, force: true })
})

const inRoot = (name: string, text: string): string => {
  writeFileSync(join(root, name), text)
  return join(root, name)
}
const forebay = (args: readonly string[], options: RunOptions = {}): Promise<Ended> =>
  runCommand(args, { cwd: root, ...options, environment: { FOREBAY_URL: server.url, ...options.environment } })

/** Runs some commands, two at a time. */
async function all(calls: readonly (readonly string[])[]): Promise<readonly (readonly [readonly string[], Ended])[]> {
  const ended: (readonly [readonly string[], Ended])[] = []
  for (let at = 0; at < calls.length; at += 2) {
    const pair = calls.slice(at, at + 2)
    ended.push(...(await Promise.all(pair.map(async (args) => [args, await forebay(args)] as const))))
  }
  return ended
}

/**
 * What some commands write, from one process: a start of Node for each would be most of the time of this file. Exit codes are
 * looked at elsewhere.
 */
async function inOneProcess(calls: readonly (readonly string[])[]): Promise<readonly string[]> {
  const mark = '<<<next command>>>'
  const script = `import { makeProgram } from ${JSON.stringify(new URL('program.js', `file://${main}`).href)}
    process.setMaxListeners(0)
    for (const args of ${JSON.stringify(calls)}) {
      console.log(${JSON.stringify(mark)})
      await makeProgram().parseAsync(['node', 'forebay', ...args]).catch((error) => error.exitCode === 0 || console.log(error))
    }`
  const { stdout } = await runProgram(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    environment: { FOREBAY_URL: server.url },
  })
  return stdout.split(`${mark}\n`).slice(1)
}

/** On a busy machine a command may take long enough to say how far it is. */
const withoutProgress = (stderr: string): string => stderr.replace(/^\d+ % .*\n/gm, '')

const everyCommand =
  'serve query predict explain tables import nodes hot lineage forecast allocations status evaluate learn demo doctor'.split(' ')
const sql = 'SELECT region, count(*) AS n FROM sales GROUP BY region ORDER BY region'

it('explains every command with an example', async () => {
  const { stdout, code } = await forebay(['--help'])
  expect(code).toBe(0)
  for (const name of everyCommand) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'))
  const helps = await inOneProcess(everyCommand.map((name) => [name, '--help']))
  expect(helps).toHaveLength(everyCommand.length)
  for (const [index, help] of helps.entries()) {
    const command = everyCommand[index]
    expect(help).toMatch(new RegExp(`Usage: forebay ${command}[^]*Example:\\n {2}\\$ forebay ${command}`))
    expect(help).toContain('--url')
    expect(help).toContain('--json')
    // A shell would put its own variable in its place.
    expect(help).not.toMatch(/"[^"'\n]*\$\w[^"'\n]*"/)
  }
  const one = await forebay(['hot', '--help'])
  expect([one.code, one.stderr]).toEqual([0, ''])
  expect(one.stdout).toContain('forebay hot --limit 10')
})

it('answers every command that asks a server, as text without colour and as JSON', async () => {
  const trace = inRoot(
    'trace.ndjson',
    '{"at":1,"tenant":"a","template":"t","args":[],"kind":"read","reads":[],"durationMs":5,"clusterSize":1}\n',
  )
  const csv = inRoot('more.csv', 'a,b\n1,x\n2,y\n')
  // oxlint-disable-next-line typescript/no-explicit-any
  const asking: readonly (readonly [readonly string[], string, (answer: any) => unknown, unknown])[] = [
    [['query', sql], 'region\tn\neast\t833\n', (a) => a.rows[0], ['east', 833]],
    [['predict', sql], 'wall time', (a) => a.nodes.length > 0, true],
    [['explain', sql], 'sales', (a) => typeof a, 'object'],
    [['tables'], 'sales\t', (a) => a.tables.length >= 5, true],
    [['tables', 'sales'], 'amount\tDECIMAL(10,2)', (a) => a.segments.length, 3],
    [['import', csv, '--table', 'imported'], 'more.csv\t2\t1', (a) => a.table, 'imported'],
    [['nodes'], 'n1\tduckdb', (a) => a.some((node: { id: string }) => node.id === 'n2'), true],
    [['hot', '--limit', '5'], 'segment\tdataset', (a) => a.length <= 5, true],
    [['lineage', `query:${queryId}`], 'sales', (a) => a.edges.length > 0, true],
    [['lineage', 'prune', '--older-than', '7d'], '0 events let go', (a) => a.truncated, 0],
    [['lineage', 'table:kept', '--column', 'amount'], 'amount', (a) => a.edges.length > 0, true],
    [['lineage', `segment:${segment}`, '--direction', 'downstream'], 'storage', (a) => a.truncated, false],
    [['forecast', '--horizon', '6h'], 'nothing is expected', (a) => a, []],
    [['allocations'], '', (a) => Array.isArray(a), true],
    [['status'], 'ready', (a) => a.status, 'ready'],
    [['status', queryId], 'state: finished', (a) => a.state, 'finished'],
    [['learn', trace], '', (a) => typeof a, 'object'],
    [['evaluate', trace, '--fast'], '', (a) => a.queries, 1],
    [['doctor', '--data', data, '--port', '0'], 'DuckDB\tok', (a) => a[0].check, 'Node'],
  ]
  const texts = await all(asking.map(([args]) => args))
  const jsons = await inOneProcess(asking.map(([args]) => [...args, '--json']))
  for (const [index, [args, shown, read, value]] of asking.entries()) {
    const text = texts[index]
    if (text === undefined) throw new Error('a command was not run')
    const { code, stderr, stdout } = text[1]
    expect([args, code, withoutProgress(stderr)]).toEqual([args, 0, ''])
    expect(stdout).toContain(shown)
    expect(stdout + jsons[index]).not.toContain('\u001b')
    expect([args, read(JSON.parse(jsons[index] ?? ''))]).toEqual([args, value])
  }
}, 60_000)

it('learns what comes through a pipe, and says of another log than was named that it has no query', async () => {
  const line = '{"at":1,"tenant":"a","template":"t","args":[],"kind":"read","reads":[],"durationMs":5}'
  const pipe = join(root, 'pipe')
  await runProgram('mkfifo', [pipe])
  const [piped] = await Promise.all([forebay(['learn', pipe, '--json']), writeFile(pipe, `${line}\n${line}\n`)])
  expect([piped.code, JSON.parse(piped.stdout)]).toMatchObject([0, { learned: 2 }])
  const other = await forebay(['learn', inRoot('ours.ndjson', line), '--from', 'trino-events'])
  expect(other.code).toBe(1)
  expect(other.stderr).toMatch(/error: .*has no usable line: line 1 is not a query completed event.*\ntry: .*--from trino-events/)
})

it('tells of a folder that is ignored since a written table has its name', async () => {
  mkdirSync(join(data, 'kept'))
  copyFileSync(join(data, 'sales', 'a.parquet'), join(data, 'kept', 'a.parquet'))
  const ignored = `"${join(data, 'kept')}" has the same name and is ignored`
  expect((await forebay(['tables'])).stdout).toContain(`kept: ${ignored}`)
  expect((await forebay(['tables', 'kept'])).stdout).toContain(`note: ${ignored}`)
})

describe('query', () => {
  it('takes SQL as an argument, from a file and from standard input', async () => {
    const file = inRoot('statement.sql', 'SELECT 7 AS seven')
    const ways = [
      await forebay(['query', 'SELECT 7 AS seven', '--format', 'csv']),
      await forebay(['query', '-f', file, '--format', 'csv']),
      await forebay(['query', '-', '--format', 'csv'], { input: 'SELECT 7 AS seven' }),
      await forebay(['query', '-f', '-', '--format', 'csv'], { input: 'SELECT 7 AS seven' }),
      await forebay(['query', 'SELECT $n::INTEGER AS seven', '--param', 'n=7', '--format', 'csv']),
    ]
    for (const { code, stdout } of ways) expect([code, stdout]).toEqual([0, 'seven\r\n7\r\n'])
  })

  it('writes every format, and a file only when it is whole', async () => {
    const written = await all(
      ['csv', 'ndjson', 'json', 'arrow', 'parquet'].map((format) => ['query', sql, '--output', join(root, `answer.${format}`)]),
    )
    for (const [, { code, stdout, stderr }] of written) expect([code, stdout, withoutProgress(stderr)]).toEqual([0, '', ''])
    expect(readFileSync(join(root, 'answer.csv'), 'utf8')).toMatch(/^region,n\r?\neast,833/)
    expect(readFileSync(join(root, 'answer.ndjson'), 'utf8').split('\n')[0]).toBe('{"region":"east","n":833}')
    expect(JSON.parse(readFileSync(join(root, 'answer.json'), 'utf8')).rows).toHaveLength(3)
    expect(readFileSync(join(root, 'answer.parquet')).subarray(0, 4).toString()).toBe('PAR1')
    expect((await forebay(['query', sql, '--format', 'arrow'])).bytes).toEqual(readFileSync(join(root, 'answer.arrow')))
    const broken = await forebay([
      'query',
      "SELECT CASE WHEN i > 9990 THEN 'x' ELSE '1' END::INTEGER FROM numbers",
      '--output',
      'broken.csv',
    ])
    expect(broken.code).toBe(1)
    for (const format of ['csv', 'ndjson', 'arrow']) {
      const late = "SELECT CASE WHEN i = 999999 THEN error('too late') ELSE i END FROM range(1000000) t(i)"
      const { code, stderr } = await forebay(['query', late, '--format', format])
      expect([code, withoutProgress(stderr)]).toEqual([1, expect.stringMatching(/^error: too late\n/)])
    }
    expect(readdirSync(root).filter((name) => name.includes('broken'))).toEqual([])
  })

  it('ends with 130 at Ctrl-C, and cancels what it asked', async () => {
    const slow = 'SELECT count(*) FROM range(100000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3'
    // The first line of progress shows that the query runs.
    const { code, stdout, stderr } = await forebay(['query', slow], { watch: (_, kill) => kill('SIGINT') })
    expect([code, stdout]).toEqual([130, ''])
    expect(stderr).toMatch(/^\d+ % /)
    const running = async () => (await server.call('/v1/queries?state=running')).body.queries.length
    await expect.poll(running).toBe(0)
  })

  it('is in the status of the server while it runs', async () => {
    const slow = 'SELECT count(*) FROM range(100000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 4'
    const promised = (await server.call('/v1/queries', { body: { sql: slow } })).body.queryId
    await expect.poll(async () => (await server.call(`/v1/queries/${promised}`)).body.state).toBe('running')
    const { stdout } = await forebay(['status'])
    expect(stdout).toMatch(new RegExp(`^${promised}\\trunning\\t`, 'm'))
    await forebay(['status', promised, '--cancel'])
  })

  it('says that it took too long', async () => {
    const { code, stderr } = await forebay(['query', 'SELECT count(*) FROM range(1e12::BIGINT)', '--timeout', '300ms'])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: .*300 ms.*\ntry: .*--timeout/)])
  })
})

it('tells a pipe how far the demo is', async () => {
  const { code, stdout, stderr } = await forebay(['demo'], { watch: (_, kill) => kill('SIGINT') })
  expect([code, stdout, stderr]).toEqual([130, '', 'making the sample lake\n'])
})

it('fails with 1, says what is wrong and what to try', async () => {
  const failing: readonly (readonly [readonly string[], RegExp])[] = [
    [['query', 'SELECT * FROM salez'], /^error: table "salez" does not exist \(at character 15\)\ntry: .*sales/],
    [['query', 'SELEC 1'], /^error: .* \(at character 1\)\ntry: .*position/],
    [['query', "SELECT * FROM read_csv('/etc/passwd')"], /^error: .*read_csv/],
    [['query', 'DELETE FROM kept'], /^error: .*DELETE/],
    [['query', 'INSERT INTO sales SELECT * FROM sales'], /^error: .*sales.*\n/],
    [['predict', 'SELECT x FROM sales'], /^error: .*"?x"?/],
    [['explain', 'SELECT * FROM nowhere'], /^error: table "nowhere"/],
    [['tables', 'nowhere'], /^error: there is no table "nowhere"\ntry: forebay tables/],
    [['lineage', 'table:nowhere'], /^error: .*nowhere.*\ntry: .*forebay tables/],
    [['status', 'q-nowhere-000001'], /^error: .*q-nowhere-000001/],
    [['import', 'forebay.yaml', '--table', 'sales'], /^error: /],
    [['learn', 'empty.ndjson'], /^error: .* is empty\ntry: /],
    [['import', 'uneven.csv', '--table', 'uneven'], /^error: line 3 of file uneven.csv .*its fields number 1, not 2\ntry: mend/],
    [
      ['import', 'even.csv', 'even.csv', 'cut.parquet', '--table', 'partly'],
      /^error: file cut.parquet cannot be .*; the 2 files before it were imported\ntry: mend/,
    ],
    [
      ['import', 'cut.parquet', '--table', 'cut'],
      /^error: file cut.parquet cannot be read as Parquet: file too small to be a Parquet file\ntry: mend/,
    ],
    [['nodes', '--url', server.url.replace('http:', 'https:')], /^error: .* does not speak TLS\ntry: http:\/\/127\.0\.0\.1:/],
    [['nodes', '--url', 'http://127.0.0.1:9'], /^error: no server answers at http:\/\/127.0.0.1:9\ntry: .*forebay serve/],
  ]
  writeFileSync(join(root, 'forebay.yaml'), '')
  writeFileSync(join(root, 'empty.ndjson'), '')
  writeFileSync(join(root, 'cut.parquet'), 'PAR1')
  writeFileSync(join(root, 'even.csv'), 'a,b\n1,2\n')
  writeFileSync(join(root, 'uneven.csv'), 'a,b\n1,2\n3\n4,5,6\n')
  for (const [index, [args, { code, stdout, stderr }]] of (await all(failing.map(([each]) => each))).entries()) {
    expect([args, code, stdout]).toEqual([args, 1, ''])
    // How far it has come is told after a second, which a busy machine takes.
    expect(stderr.replace(/^ *\d+ % .*\n/gm, '')).toMatch(failing[index]?.[1] ?? /never/)
    expect(stderr).not.toContain('\u001b')
    expect(stderr).not.toContain('    at ')
  }
}, 30_000)

it('says what doctor found, and what to try where something is in the way', async () => {
  const file = inRoot('wrong.yaml', 'memory: lots')
  const { code, stdout, stderr } = await forebay(['doctor', '--config', file])
  expect([code, stdout, stderr]).toEqual([
    1,
    expect.stringMatching(/^configuration\tfailed\t.*"memory".*\t.*wrong\.yaml/m),
    expect.stringMatching(/^error: configuration: not in order\ntry: .*wrong\.yaml/),
  ])
})

it('ends with 2 at wrong usage, and names it', async () => {
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['frobnicate'], /error: unknown command 'frobnicate'/],
    [['query', 'SELECT 1', '--format', 'xml'], /error: .*--format.*xml/],
    [['query', 'SELECT 1', '--timeout', 'soon'], /error: .*soon/],
    [['query', 'SELECT 1', '--timeout', '0'], /error: --timeout must be at least 1 ms\ntry: --timeout 60s/],
    [['query', 'SELECT 1', '--timeout', '0.1ms'], /error: --timeout must be at least 1 ms\ntry: /],
    [
      ['query', 'CREATE TABLE nowhere_to_go AS SELECT 1 AS a', '--output', join(root, 'nope', 'x.csv')],
      /error: --output \/\S+\/nope\/x\.csv cannot be written: ENOENT: no such file or directory\ntry: name a file in a folder/,
    ],
    [['query', 'SELECT 1', '--output', root], /error: --output \S+ cannot be written: EISDIR.*\ntry: /],
    [['lineage', 'export', '--output', 'nope/x'], /error: --output nope\/x cannot be written: ENOENT[^,]*\ntry: /],
    [['query', 'SELECT 1', '--param', 'n'], /error: .*n/],
    [['query', 'SELECT 1', '-f', 'also.sql'], /error: .*twice/],
    [['query', '-f', join(root, 'absent.sql')], /error: .*absent.sql.*\ntry: /],
    [['query'], /error: there is no statement\ntry: /],
    [['query', ' '], /error: there is no statement\ntry: /],
    [['query', 'SELECT 1', '--time-zone', 'Mars'], /error: body\.timeZone: is not a time zone/],
    [['predict'], /error: missing required argument 'sql'/],
    [['hot', '--limit', 'many'], /error: .*many/],
    [['hot', '--limit', '0'], /error: .*limit.*\ntry: /],
    [['lineage', 'table:sales', '--depth', '99'], /error: .*depth.*\ntry: /],
    [['forecast', '--horizon', '99d'], /error: .*horizonMs.*\ntry: /],
    [['import', 'absent.csv'], /error: required option '--table <name>'/],
    [['import', 'absent.csv', '--table', 't'], /error: .*absent.csv.*\ntry: /],
    [['import', root, '--table', 't'], /error: .* is not a file\ntry: /],
    [['import', 'absent.csv', '--table', ''], /^error: --table names no table\ntry: forebay import/],
    [['lineage', 'prune', '--older-than', 'long'], /error: .*long.*\ntry: /],
    [['forecast', '--horizon', 'long'], /error: .*long/],
    [['forecast', '--horizon', '0'], /error: --horizon must be at least 1 ms\ntry: /],
    [['lineage', 'query:q', '--column', 'c'], /error: .*--column/],
    [['status', '--cancel'], /error: --cancel needs a query\ntry: /],
    [['evaluate', 'absent.ndjson'], /error: .*absent.ndjson.*\ntry: /],
    [['learn', 'absent.ndjson'], /error: .*absent.ndjson.*\ntry: /],
    [['learn', root], /error: trace .* cannot be read: it is a folder\ntry: /],
    [['demo', '--workload', 'lucky'], /error: .*--workload/],
    [['nodes', '--url', 'ftp://x'], /error: --url/],
    [['serve', '--tree', 'perhaps'], /error: .*--tree/],
    [['serve', '--nodes', 'x', '--state', join(root, 'none')], /^error: configuration key "nodes": must be a number\ntry: /],
    [['serve', '--memory', 'lots', '--state', join(root, 'none')], /^error: configuration key "memory".*\ntry: /],
    [['serve', '--host', '0.0.0.0', '--state', join(root, 'none')], /^error: .* needs a token and TLS\ntry: add --token-file/],
    [['serve', '--token-file', 'absent', '--state', join(root, 'none')], /^error: configuration key "tokenFile": ENOENT/],
    [['serve', '--engine', 'trino', '--state', join(root, 'none')], /^error: .*"trino" is not built into this version\ntry: /],
    [['serve', '--provisioner', 'kubernetes://a/b?max=2', '--state', join(root, 'none')], /^error: .*provisioner.*\ntry: /],
  ]
  for (const [index, [args, { code, stdout, stderr }]] of (await all(wrong.map(([each]) => each))).entries()) {
    expect([args, code, stdout, stderr]).toEqual([args, 2, '', expect.stringMatching(wrong[index]?.[1] ?? /never/)])
  }
  // What cannot be written down is not asked for.
  expect((await server.call('/v1/tables/nowhere_to_go')).status).toBe(404)
}, 30_000)

it('takes an empty variable for none', async () => {
  const { code, stderr } = await forebay(['nodes', '--url', server.url], { environment: { FOREBAY_TOKEN_FILE: '' } })
  expect([code, stderr]).toEqual([0, ''])
  const byDefault = await forebay(['nodes'], { environment: { FOREBAY_URL: '' } })
  expect(byDefault.stderr).not.toContain('is not the address of a server')
})

it('stops in peace when its reader has seen enough', async () => {
  const command = `"${process.execPath}" "${main}" query "SELECT * FROM numbers a, range(100) b" --format csv`
  const { code, stdout, stderr } = await runProgram('bash', ['-c', `set -o pipefail; ${command} | head -n 1`], {
    environment: { FOREBAY_URL: server.url },
  })
  expect([code, stdout.trim()]).toEqual([0, 'i,k,name,half,range'])
  expect(stderr).not.toContain('error')
})
