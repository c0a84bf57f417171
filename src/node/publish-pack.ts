import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ForebayError } from '../model/errors.js'
import { foldName } from '../model/fold-name.js'
import type { TaskOutput } from '../model/messages.js'
import { quoteName, quoteText } from '../model/quote.js'
import type { BaseSegment, Pack } from '../model/segment.js'
import { publishDurably } from '../model/whole-file.js'
import { fileBytes } from './file-bytes.js'
import { hasNegativeZero, withSigns } from './negative-zeros.js'
import type { PackOrdinal } from './relations.js'
import type { Session } from './session.js'

export type PackOutput = Extract<TaskOutput, { to: 'pack' }>

/** The ordinal column of a pack that is to be built: each row's index into `pack.segments`, in the narrowest type that holds it. */
export function packOrdinal(pack: PackOutput['pack']): PackOrdinal {
  const ordinals = new Map(pack.segments.map((segment, ordinal) => [segment, ordinal]))
  const count = pack.segments.length
  return {
    column: pack.ordinalColumn,
    type: count <= 256 ? 'UTINYINT' : count <= 65_536 ? 'USMALLINT' : 'UINTEGER',
    ordinalOf: (segment: BaseSegment) => {
      const ordinal = ordinals.get(segment.id)
      if (ordinal === undefined) throw new ForebayError('INTERNAL', `segment "${segment.id}" is not one of pack "${pack.id}"`)
      return ordinal
    },
  }
}

/**
 * Builds a pack: a DuckDB file under a temporary name, closed, on disk, renamed. The relations of `sql` come in the order of the
 * ordinals and DuckDB keeps the order of insertion, so each ordinal's rows stand together and a filter on it skips the rest.
 */
export async function publishPack(session: Session, output: PackOutput, sql: string): Promise<Pack> {
  const { pack } = output
  const temporary = join(dirname(pack.path), `.${basename(pack.path)}.tmp`)
  const alias = quoteName(`p_${pack.id}`)
  await rm(temporary, { force: true })
  try {
    const signedColumns = await columnsWithSigns(session, pack, sql)
    await session.run(`ATTACH ${quoteText(temporary)} AS ${alias} (STORAGE_VERSION 'latest')`)
    let rows = 0
    let storageVersion = ''
    try {
      const [created] = await session.rows(`CREATE TABLE ${alias}.main.pack AS ${packSql(sql, pack, signedColumns)}`)
      rows = Number(created?.[0] ?? 0)
      storageVersion = await checkPack(session, pack)
    } finally {
      // Detaching writes the checkpoint and closes the file.
      await session.detach(alias)
    }
    await publishDurably(temporary, pack.path)
    return { ...pack, signedColumns, rows, bytes: await fileBytes(pack.path), storageVersion, createdAt: Date.now() }
  } finally {
    await rm(temporary, { force: true })
    await rm(`${temporary}.wal`, { force: true })
  }
}

/** The columns that have a negative zero. */
async function columnsWithSigns(session: Session, pack: PackOutput['pack'], sql: string): Promise<readonly string[]> {
  const tests = pack.columns.flatMap((name, index) => {
    const condition = hasNegativeZero(quoteName(name), pack.types[index] ?? '')
    return condition === undefined ? [] : [{ name, condition }]
  })
  if (tests.length === 0) return []
  const list = tests.map(({ condition }) => `bool_or(${condition})`)
  const [found = []] = await session.rows(`SELECT ${list.join(', ')} FROM (${sql})`)
  return tests.flatMap(({ name }, index) => (found[index] === true ? [name] : []))
}

function packSql(sql: string, pack: PackOutput['pack'], signed: readonly string[]): string {
  if (signed.length === 0) return sql
  const replaced = pack.columns.flatMap((name, index) => {
    const value = quoteName(name)
    return signed.includes(name) ? [`${withSigns(value, pack.types[index] ?? '')} AS ${value}`] : []
  })
  return `SELECT * REPLACE (${replaced.join(', ')}) FROM (${sql})`
}

/** The storage version of the file; rejects when the columns are not those that were asked for. */
async function checkPack(session: Session, pack: PackOutput['pack']): Promise<string> {
  const name = quoteText(`p_${pack.id}`)
  const found = await session.rows(
    `SELECT column_name FROM duckdb_columns() WHERE database_name = ${name} AND table_name = 'pack'`,
  )
  const names = new Set(found.map(([column]) => foldName(String(column))))
  for (const column of [...pack.columns, pack.ordinalColumn]) {
    if (!names.has(foldName(column))) throw new ForebayError('INTERNAL', `pack "${pack.id}" was built without column "${column}"`)
  }
  const [row] = await session.rows(`SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = ${name}`)
  return String(row?.[0] ?? '')
}
