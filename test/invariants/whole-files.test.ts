import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { writeSmallLake } from '../support/small-lake.js'
import { startServer } from '../support/start-server.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-whole-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Files that are read by others by their name: segments, packs, tables, answers, manifests. */
const finalName = /\.(parquet|duckdb|json)$/
/** Names of what is not whole yet, and files that one process makes, reads and removes by itself. */
const ownBusiness = /\.(tmp|partial|building)\b|\/temp\/|\/passing\/|\/imports\/|server\.json/

it('gives no file its final name before it is whole', async () => {
  const [data, state] = [join(root, 'data'), join(root, 'state')]
  await writeSmallLake(data)
  const server = await startServer({ data, state, flags: ['--tree', 'always'] })
  const first = new Map<string, { readonly version: string; readonly hash: string }>()
  const broken: string[] = []
  const over = new AbortController()
  /** Looks again and again: what has its final name must be whole the first time that it is seen, and stay as it is. */
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      for (const path of filesOf(state)) {
        const seen = look(path)
        if (seen === undefined) continue
        const before = first.get(path)
        if (before === undefined || before.version !== seen.version) first.set(path, seen)
        else if (before.hash !== seen.hash) broken.push(path)
        if (path.endsWith('.parquet') && !seen.whole) broken.push(path)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const watching = watch()
  for (let round = 0; round < 4; round++) {
    await server.query('SELECT region, sum(amount), count(*) FROM sales GROUP BY region', { reuse: false })
    await server.query('SELECT name, i FROM numbers ORDER BY i', { reuse: false })
    await server.query(`CREATE OR REPLACE TABLE kept AS SELECT i, hash(i) AS h, repeat('x', 50) AS t FROM range(300000) r(i)`)
    await server.query('INSERT INTO kept SELECT i, 1, name FROM numbers')
    await server.call('/v1/queries', { body: { sql: `SELECT count(*), ${round} FROM kept` } })
  }
  await expect.poll(() => [...first.keys()].some((path) => path.includes('/packs/')), { timeout: 15_000 }).toBe(true)
  over.abort()
  await watching
  await server.stop()
  expect(broken).toEqual([])
  const kinds = ['/tables/', '/packs/', '/nodes/', '/checksums/', '/results/']
  expect(kinds.filter((kind) => ![...first.keys()].some((path) => path.includes(kind)))).toEqual([])
}, 60_000)

function filesOf(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder, name))
      .filter((path) => finalName.test(path) && !ownBusiness.test(path))
  } catch {
    return []
  }
}

function look(path: string): { readonly version: string; readonly hash: string; readonly whole: boolean } | undefined {
  try {
    const version = versionOf(path)
    const bytes = readFileSync(path)
    // Replaced between the two calls: the next look has both of the same file.
    if (versionOf(path) !== version) return undefined
    const whole = bytes.length > 8 && bytes.subarray(-4).toString() === 'PAR1'
    return { version, hash: createHash('sha1').update(bytes).digest('hex'), whole }
  } catch {
    return undefined
  }
}

/** An inode alone is used again once its file has been replaced. */
function versionOf(path: string): string {
  const { ino, birthtimeNs } = statSync(path, { bigint: true })
  return `${ino}-${birthtimeNs}`
}
