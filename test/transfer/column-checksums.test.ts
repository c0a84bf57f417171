import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ColumnChecksums } from '../../src/transfer/column-checksums.js'
import { baseInput, baseSegment, duckdb, jsonRowsOf, NodeUnderTest, task, testFolder, toClient } from '../node/node-under-test.js'

const folder = testFolder()
const node = new NodeUnderTest(folder.path)
beforeAll(() => node.ready())
afterAll(async () => {
  await node.stop()
  folder.remove()
})

/** Flips one bit and puts the times back, as rotten storage does. */
function flip(path: string, offset: number): void {
  const { atime, mtime } = statSync(path)
  const bytes = readFileSync(path)
  bytes[offset] = (bytes[offset] ?? 0) ^ 4
  writeFileSync(path, bytes)
  utimesSync(path, atime, mtime)
}

async function lakeFile(name: string): Promise<string> {
  const path = join(folder.path, 'lake', name)
  await duckdb(
    `COPY (SELECT i AS a, i * 3 AS b, {'x': i, 'y': 'text ' || i} AS s FROM range(100000) t(i)) TO '${path}' (ROW_GROUP_SIZE 20000)`,
  )
  // Whole seconds: a flip can put back no finer time.
  utimesSync(path, 1_700_000_000, 1_700_000_000)
  return path
}

async function record(path: string, columns: readonly string[]): Promise<void> {
  const requestId = `r-${Math.random()}`
  node.send({ type: 'record-checksums', requestId, segment: baseSegment(path, 100_000), columns })
  const answer = await node.next('checksums', (message) => message.requestId === requestId)
  expect(answer).toMatchObject({ ok: true })
}

describe('column checksums', () => {
  it('are kept of columns that are named like functions of every object', async () => {
    const path = join(folder.path, 'lake', 'names.parquet')
    await duckdb(`COPY (SELECT i AS points, i AS "constructor" FROM range(1000) t(i)) TO '${path}'`)
    const checksums = new ColumnChecksums(node.configuration.checksumFolder)
    const segment = baseSegment(path, 1000)
    await record(path, ['points'])
    await checksums.verify(segment, ['constructor'])
    await record(path, ['constructor'])
    const { columns } = JSON.parse(readFileSync(checksums.pathOf(segment.file), 'utf8')) as { columns: object }
    expect(Object.keys(columns)).toEqual(['', 'points', 'constructor'])
    await checksums.verify(segment, ['points', 'constructor'])
  })

  it('find a flipped bit in each column that is read, and nothing in the others', async () => {
    const path = await lakeFile('rot.parquet')
    await record(path, ['a', 's'])
    await record(path, ['b'])
    const chunks = await duckdb(
      `SELECT path_in_schema, data_page_offset + 40 FROM parquet_metadata('${path}') WHERE row_group_id = 2`,
    )
    const segment = baseSegment(path, 100_000)
    const checksums = new ColumnChecksums(node.configuration.checksumFolder)
    for (const [leaf, offset] of chunks) {
      const column = String(leaf).split(',', 1)[0] ?? ''
      flip(path, Number(offset))
      for (const name of ['a', 'b', 's']) {
        const verified = checksums.verify(segment, [name])
        if (name !== column) await verified
        else
          await expect(verified).rejects.toMatchObject({
            code: 'CHECKSUM_MISMATCH',
            message: expect.stringContaining(`"${path}"`),
          })
      }
      flip(path, Number(offset))
    }
    await checksums.verify(segment, ['a', 'b', 's'])
  })

  it('find a flipped bit in the footer', async () => {
    const path = await lakeFile('footer.parquet')
    await record(path, ['a'])
    flip(path, statSync(path).size - 100)
    const checksums = new ColumnChecksums(node.configuration.checksumFolder)
    await expect(checksums.verify(baseSegment(path, 100_000), ['a'])).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  })

  it('fail the task that would have read the damaged column', async () => {
    const path = await lakeFile('task.parquet')
    await record(path, ['a', 'b'])
    const [[offset] = []] = await duckdb(
      `SELECT data_page_offset + 40 FROM parquet_metadata('${path}') WHERE path_in_schema = 'b'`,
    )
    flip(path, Number(offset))
    const segments = [baseSegment(path, 100_000)]
    const read = (column: string) => {
      const columns = [{ name: column, type: 'BIGINT' }]
      const input = baseInput('__fb0', columns, segments, { parts: [{ from: 'parquet', segments, verify: [column] }] })
      return task(`SELECT sum(${column})::BIGINT FROM __fb0`, toClient(columns), [input])
    }
    expect(jsonRowsOf(await node.finished(read('a')))).toEqual([[4999950000]])
    const { error } = await node.failed(read('b'))
    expect(error).toMatchObject({ code: 'CHECKSUM_MISMATCH' })
    expect(error.message).toContain(path)
    expect(error.message).toContain('"b"')
  })

  it('leave no temporary file and say nothing of columns that were never recorded', async () => {
    const path = await lakeFile('quiet.parquet')
    const checksums = new ColumnChecksums(node.configuration.checksumFolder)
    await checksums.verify(baseSegment(path, 100_000), ['a'])
    await record(path, ['a'])
    await checksums.verify(baseSegment(path, 100_000), ['b'])
    expect(readdirSync(node.configuration.checksumFolder).filter((name) => !name.endsWith('.json'))).toEqual([])
  })
})
