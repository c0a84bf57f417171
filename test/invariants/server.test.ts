import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NodeUnderTest, task, testFolder, toClient } from '../node/node-under-test.js'
import { writeSmallLake } from '../support/small-lake.js'
import { startServer, type TestServer } from '../support/start-server.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-invariants-'))
const data = join(root, 'data')
let server: TestServer

beforeAll(async () => {
  await writeSmallLake(data)
  server = await startServer({ data })
  await server.query('SELECT region, sum(amount) FROM sales GROUP BY region', { tree: 'always' })
  await server.query('CREATE TABLE kept AS SELECT * FROM sales')
  await server.call('/v1/explain', { body: { sql: 'SELECT count(*) FROM sales' } })
}, 60_000)
afterAll(async () => {
  await server?.stop()
  rmSync(root, { recursive: true, force: true })
})

const children = (): readonly number[] =>
  execFileSync('ps', ['-o', 'pid=', '--ppid', String(server.pid)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/)
    .map(Number)
const maps = (pid: number): string => readFileSync(`/proc/${pid}/maps`, 'utf8')

describe.skipIf(process.platform !== 'linux')('the running server', () => {
  it('has not loaded DuckDB, and its planners and nodes have', () => {
    expect(maps(server.pid)).not.toMatch(/duckdb/)
    expect(maps(server.pid)).toMatch(/sqlite/)
    expect(children().filter((pid) => maps(pid).includes('duckdb')).length).toBeGreaterThanOrEqual(4)
  })

  it('listens on loopback alone, and so do its nodes', () => {
    const pids = [server.pid, ...children()]
    const sockets = new Set(pids.flatMap(socketsOf))
    const listening = ['tcp', 'tcp6'].flatMap((table) =>
      readFileSync(`/proc/net/${table}`, 'utf8')
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter(([, , , state, , , , , , inode]) => state === '0A' && sockets.has(inode ?? ''))
        .map(([, local]) => local?.split(':')[0]),
    )
    // One of the server and one of each node; 0100007F is 127.0.0.1 as the kernel writes it.
    expect(listening.length).toBeGreaterThanOrEqual(3)
    expect([...new Set(listening)]).toEqual(['0100007F'])
  })
})

function socketsOf(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.slice(1) ?? []
    } catch {
      return []
    }
  })
}

const file = join(data, 'numbers.parquet')
const attacks = [
  `SELECT * FROM '${file}'`,
  `SELECT * FROM "${file}"`,
  `SELECT * FROM read_parquet('${file}')`,
  `SELECT * FROM read_text('/etc/passwd')`,
  `SELECT * FROM read_csv('/etc/passwd')`,
  `SELECT * FROM glob('/etc/*')`,
  `SELECT * FROM parquet_metadata('${file}')`,
  `COPY (SELECT 1) TO '${file}'`,
  `COPY numbers TO '${join(root, 'stolen.csv')}'`,
  `ATTACH '${join(root, 'other.duckdb')}'`,
  'DETACH memory',
  'INSTALL httpfs',
  'LOAD httpfs',
  "SET memory_limit = '100GB'",
  'RESET memory_limit',
  'PRAGMA database_list',
  'CALL pragma_version()',
  'CREATE SECRET s (TYPE s3)',
  "EXPORT DATABASE '/tmp/x'",
  'CREATE TEMP TABLE t AS SELECT 1',
  'CREATE SCHEMA s',
  'CREATE MACRO f(x) AS x',
  'CREATE TABLE main.t AS SELECT 1; DROP TABLE kept',
  'SELECT 1; SELECT 2',
  `SELECT * FROM enable_logging(storage = 'file')`,
  'SELECT * FROM duckdb_logs()',
  'SELECT * FROM duckdb_settings()',
  'SELECT * FROM duckdb_secrets()',
  'SELECT * FROM sqlite_master',
  'SELECT * FROM pg_catalog.pg_class',
  'SELECT * FROM system.information_schema.tables',
  `SELECT current_setting('memory_limit')`,
  `SELECT getenv('PATH')`,
  `SELECT query FROM query('SELECT 1')`,
  `SELECT * FROM query_table('numbers')`,
  `SELECT * FROM sql_auto_complete('SEL')`,
  `SELECT * FROM __fb0`,
  `SELECT write_log('x')`,
  'CHECKPOINT',
  'VACUUM',
  'PREPARE p AS SELECT 1',
  'EXECUTE p',
  `EXPLAIN ANALYZE COPY (SELECT 1) TO '${file}'`,
  `CREATE VIEW v AS SELECT * FROM read_text('/etc/passwd')`,
  `INSERT INTO kept SELECT * FROM read_csv('/etc/passwd')`,
  `WITH t AS (SELECT * FROM read_blob('/etc/passwd')) SELECT * FROM t`,
  `SELECT (SELECT content FROM read_text('/etc/passwd'))`,
]

/** What must not change: the user's files. */
const fingerprint = (): string =>
  readdirSync(data, { recursive: true, encoding: 'utf8' })
    .toSorted()
    .map((name) => join(data, name))
    .map((path) => (statSync(path).isFile() ? path + createHash('sha1').update(readFileSync(path)).digest('hex') : path))
    .join('\n')

describe('user SQL', () => {
  it('reaches no file, extension, setting or catalogue through a server', async () => {
    const before = fingerprint()
    for (const sql of attacks) {
      const { status, body } = await server.call('/v1/query', { body: { sql } })
      expect([sql, status]).toEqual([sql, 400])
      expect([sql, body.error.code]).toEqual([
        sql,
        expect.stringMatching(/^(NOT_ALLOWED|NOT_SUPPORTED|NAME_NOT_FOUND|SQL_SYNTAX)$/),
      ])
      expect(JSON.stringify(body)).not.toContain('root:')
    }
    expect(fingerprint()).toBe(before)
    expect(readdirSync(root).toSorted()).toEqual(['data'])
    expect((await server.query('SELECT count(*) FROM numbers')).rows).toEqual([[10_000]])
  }, 60_000)

  it('that got past the allow-list would still be locked in on a node', async () => {
    const folder = testFolder()
    const node = new NodeUnderTest(folder.path, { id: 'n1' })
    try {
      await node.ready()
      const outside = join(root, 'outside.csv')
      for (const sql of [
        `SELECT * FROM read_text('/etc/passwd')`,
        `SELECT * FROM read_parquet('${file}')`,
        `COPY (SELECT 1) TO '${outside}'`,
        `ATTACH '${join(root, 'other.duckdb')}'`,
        'SET threads = 64',
        'SET enable_external_access = true',
        'INSTALL httpfs',
        'LOAD httpfs',
        `CREATE PERSISTENT SECRET s (TYPE s3)`,
      ]) {
        expect([sql, (await node.outcome(task(sql, toClient([])))).type]).toEqual([sql, 'failed'])
      }
      expect(existsSync(outside)).toBe(false)
      await node.finished(task('SELECT 1', toClient([])))
    } finally {
      await node.stop()
      folder.remove()
    }
  }, 60_000)
})
