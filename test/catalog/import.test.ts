import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { planImport } from '../../src/catalog/import-plan.js'
import { headFirst, ImportStaging } from '../../src/catalog/import-staging.js'
import { DuckdbLake } from './support/duckdb-lake.js'

let lake: DuckdbLake
beforeEach(async () => {
  lake = await DuckdbLake.open()
})
afterEach(() => lake.close())

async function found(sql: string) {
  return (await lake.rows(sql)).map(([name, type]) => ({ name: String(name), type: String(type) }))
}

describe('the plan of an import', () => {
  it('turns CSV, JSON lines and Parquet into the same rows', async () => {
    const csv = join(lake.folder, "a'b.csv")
    writeFileSync(csv, 'id,name,day\n1,"x, y",2024-01-01\n2,,2024-01-02\n')
    const json = join(lake.folder, 'a.jsonl')
    writeFileSync(json, '{"id":1,"name":"x, y","day":"2024-01-01"}\n{"id":2,"name":null,"day":"2024-01-02"}\n')
    const file = await lake.write(join(lake.folder, 'a.parquet'), `SELECT * FROM read_csv('${csv.replace("'", "''")}')`)
    const rows = [
      ['1', 'x, y', '2024-01-01'],
      ['2', null, '2024-01-02'],
    ]
    for (const [path, format] of [
      [csv, 'csv'],
      [json, 'json'],
      [file, 'parquet'],
    ] as const) {
      const plan = planImport([path], format)
      const columns = await found(plan.describeSql)
      expect(columns).toEqual([
        { name: 'id', type: 'BIGINT' },
        { name: 'name', type: 'VARCHAR' },
        { name: 'day', type: 'DATE' },
      ])
      expect(await lake.rows(plan.selectSql(columns))).toEqual(rows)
    }
  })

  it('detects types on the whole file', async () => {
    const path = join(lake.folder, 'a.csv')
    writeFileSync(path, `x\n${'1\n'.repeat(30_000)}late\n`)
    const plan = planImport([path], 'csv')
    expect(await found(plan.describeSql)).toEqual([{ name: 'x', type: 'VARCHAR' }])
  })

  it('casts to the columns of the table that is there, by name', async () => {
    const path = join(lake.folder, 'a.csv')
    writeFileSync(path, 'B,a\n1,2\n')
    const plan = planImport([path], 'csv')
    const target = [
      { name: 'a', type: 'VARCHAR' },
      { name: 'b', type: 'DECIMAL(5,2)' },
      { name: 'quo"te', type: 'DATE' },
    ]
    const sql = plan.selectSql(await found(plan.describeSql), target)
    expect(await lake.columns(sql)).toEqual(target)
    expect(await lake.rows(sql)).toEqual([['2', '1.00', null]])
    expect(() => plan.selectSql([{ name: 'c', type: 'DATE' }], target)).toThrow('column "c" that the table does not have')
  })

  it('is of some file', () => {
    expect(() => planImport([], 'csv')).toThrow('no file')
  })
})

describe('the staging of uploads', () => {
  let folder: string
  let staging: ImportStaging
  beforeEach(async () => {
    folder = join(mkdtempSync(join(tmpdir(), 'forebay-staging-')), 'imports')
    staging = new ImportStaging(folder)
    await staging.open()
  })
  afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

  const options = { format: 'csv', bytesMax: 100, signal: new AbortController().signal } as const
  async function* chunks(...parts: readonly Uint8Array[]) {
    for (const part of parts) yield part
  }

  it('saves an upload and removes it when asked', async () => {
    const staged = await staging.stage(chunks(Buffer.from('a,b\n'), new Uint8Array(), Buffer.from('1,2\n')), options)
    expect(readFileSync(staged.path, 'utf8')).toBe('a,b\n1,2\n')
    expect(staged.bytes).toBe(8)
    expect(staged.hash).toBe(createHash('sha256').update('a,b\n1,2\n').digest('hex'))
    await staged.remove()
    expect(readdirSync(folder)).toEqual([])
  })

  it('names a compressed upload so that DuckDB finds out, however it comes in', async () => {
    const bytes = gzipSync('x\n5\n')
    const staged = await staging.stage(chunks(bytes.subarray(0, 1), bytes.subarray(1)), options)
    expect(await lake.rows(planImport([staged.path], 'csv').selectSql([{ name: 'x', type: 'BIGINT' }]))).toEqual([['5']])
  })

  it('refuses a compressed upload that is not whole, and leaves nothing of it', async () => {
    const bytes = gzipSync('x\n5\n6\n')
    const crc = Buffer.from(bytes)
    crc.writeUInt8(crc.readUInt8(bytes.length - 8) ^ 1, bytes.length - 8)
    for (const [upload, reason] of [
      [bytes.subarray(0, 3), 'unexpected end of file'],
      [bytes.subarray(0, bytes.length - 9), 'unexpected end of file'],
      [crc, 'incorrect data check'],
      [Buffer.concat([bytes, Buffer.from('junk')]), 'incorrect header check'],
    ] as const) {
      await expect(staging.stage(chunks(upload), options)).rejects.toMatchObject({
        code: 'REQUEST_INVALID',
        message: `the file cannot be unpacked: ${reason}`,
      })
    }
    expect(readdirSync(folder)).toEqual([])
    const twice = await staging.stage(chunks(bytes, gzipSync('7\n')), options)
    expect(await lake.rows(planImport([twice.path], 'csv').selectSql([{ name: 'x', type: 'BIGINT' }]))).toEqual([
      ['5'],
      ['6'],
      ['7'],
    ])
  })

  it('saves all of an upload on a disk that takes less than it is given', async () => {
    const probe = await open(join(folder, 'probe'), 'w')
    const handle = Object.getPrototypeOf(probe)
    await probe.close()
    const write = handle.write
    const short = vi.spyOn(handle, 'write').mockImplementation(function (this: unknown, bytes) {
      return write.call(this, (bytes as Uint8Array).subarray(0, 1))
    })
    const staged = await staging.stage(chunks(Buffer.from('a,b\n')), options)
    short.mockRestore()
    expect(readFileSync(staged.path, 'utf8')).toBe('a,b\n')
  })

  it('puts the beginning of a stream into its first chunk', async () => {
    const sizes = async (...parts: readonly string[]) => {
      const lengths: number[] = []
      for await (const chunk of headFirst(chunks(...parts.map((part) => Buffer.from(part))), 4)) lengths.push(chunk.byteLength)
      return lengths
    }
    expect(await sizes('P', '', 'AR', '1abc', 'd', '', 'e')).toEqual([7, 1, 1])
    expect(await sizes('PAR1')).toEqual([4])
    expect(await sizes('a', 'b')).toEqual([2])
    expect(await sizes('', '')).toEqual([])
  })

  it('leaves nothing of an upload that is empty, too large, broken off or cancelled', async () => {
    await expect(staging.stage(chunks(), options)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(staging.stage(chunks(Buffer.alloc(60), Buffer.alloc(60)), options)).rejects.toMatchObject({
      code: 'REQUEST_TOO_LARGE',
      message: expect.stringContaining('100 bytes'),
    })
    async function* broken() {
      yield Buffer.from('a')
      throw new Error('the client went away')
    }
    await expect(staging.stage(broken(), options)).rejects.toThrow('went away')
    const cancelled = { ...options, signal: AbortSignal.abort(new Error('cancelled')) }
    await expect(staging.stage(chunks(Buffer.from('a')), cancelled)).rejects.toThrow('cancelled')
    expect(readdirSync(folder)).toEqual([])
  })

  it('removes at start what an earlier server left', async () => {
    mkdirSync(join(folder, 'old'))
    writeFileSync(join(folder, 'old/upload.csv'), 'x')
    await staging.open()
    expect(existsSync(join(folder, 'old'))).toBe(false)
  })
})
