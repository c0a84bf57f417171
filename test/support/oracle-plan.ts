import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { foldName } from '../../src/model/fold-name.js'
import { quoteName, quoteText } from '../../src/model/quote.js'
import type { Column } from '../../src/model/segment.js'
import { type AstObject, parseAst, printAst } from '../../src/sql/ast-text.js'
import { child, children, isObject, rewrite, textOf } from '../../src/sql/ast-walk.js'
import type { Split, SplitRelation } from '../../src/sql/split/split.js'
import { splitSelect } from '../../src/sql/split/split-select.js'
import type { Answer } from './oracle.js'

/** How the leaves share a dataset out and how many partials one merge takes. */
export interface Cell {
  readonly leaves: number
  readonly fanIn: number
}

/**
 * Runs split plans without an engine: leaves, merges and root one after another on one connection, over the same tables as the
 * whole. What it leaves out is transport; what it shows is that the plan's SQL is right.
 */
export class PlanOracle {
  readonly connection: DuckDBConnection
  readonly #tables = new Map<string, { readonly relation: string; readonly columns: readonly Column[]; readonly rows: number }>()
  #shares = 0

  private constructor(connection: DuckDBConnection) {
    this.connection = connection
  }

  static async open(): Promise<PlanOracle> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
    const connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
    return new PlanOracle(connection)
  }

  /** Declares a table of the connection as a dataset. */
  async declare(name: string): Promise<void> {
    const columns = await this.describe(`SELECT * FROM ${quoteName(name)}`)
    const [[count] = [0]] = await this.#values(`SELECT count(*) FROM ${quoteName(name)}`)
    const relation = `__fb${this.#tables.size}`
    this.#tables.set(foldName(name), { relation, columns, rows: Number(count) })
    await this.connection.run(`CREATE TEMP VIEW ${relation} AS SELECT * FROM ${quoteName(name)}`)
  }

  async split(sql: string): Promise<Split> {
    const node = await this.resolve(sql)
    return splitSelect(node, {
      relations: this.#relations(),
      columns: await this.#bind(node),
      bind: (selects) => Promise.all(selects.map((select) => this.#bind(select))),
    })
  }

  /** The statement's tree with tables called by their placeholders. */
  async resolve(sql: string): Promise<AstObject> {
    const [[json] = ['']] = await this.#values(`SELECT json_serialize_sql(${quoteText(sql)}::VARCHAR)::VARCHAR`)
    const answer = parseAst(String(json))
    if (!isObject(answer) || answer.error === true) throw new Error(`does not parse: ${sql}`)
    const node = child(children(answer, 'statements')[0] ?? {}, 'node') as AstObject
    return rewrite(node, (part) => {
      const table = part.type === 'BASE_TABLE' ? this.#tables.get(foldName(textOf(part, 'table_name'))) : undefined
      if (table === undefined) return undefined
      return { ...part, table_name: table.relation, alias: textOf(part, 'alias') || textOf(part, 'table_name') }
    }) as AstObject
  }

  whole(sql: string): Promise<Answer> {
    return this.answer(sql)
  }

  /** The whole's answer over the same rows in another order: where it differs, DuckDB does not reproduce itself. */
  async shuffled(sql: string): Promise<Answer> {
    const rename = async (from: string, to: string): Promise<void> => {
      for (const [name] of this.#tables) await this.connection.run(`ALTER TABLE ${name}${from} RENAME TO ${name}${to}`)
    }
    await rename('', '_kept')
    try {
      for (const [name] of this.#tables) {
        await this.connection.run(`CREATE TABLE ${name} AS SELECT * FROM ${name}_kept ORDER BY hash(rowid, 5)`)
      }
      return await this.answer(sql)
    } finally {
      for (const [name] of this.#tables) await this.connection.run(`DROP TABLE IF EXISTS ${name}`)
      await rename('_kept', '')
    }
  }

  /** The answer of the split plan, its leaves' shares dealt out by row number. */
  async splitAnswer(split: Split & { readonly shape: 'split' }, cell: Cell): Promise<Answer> {
    const table = [...this.#tables].find(([, { relation }]) => relation === split.distributed)?.[0] ?? ''
    const relation = quoteName(split.distributed)
    const leaf = await this.print(split.leaf)
    const merge = await this.print(split.merge)
    const made: string[] = []
    let partials: string[] = []
    for (let share = 0; share < cell.leaves; share++) {
      const part = `SELECT * FROM ${quoteName(table)} WHERE rowid % ${cell.leaves} = ${share}`
      await this.connection.run(`CREATE OR REPLACE TEMP VIEW ${relation} AS ${part}`)
      partials.push(await this.#keep(leaf, made))
    }
    await this.connection.run(`CREATE OR REPLACE TEMP VIEW ${relation} AS SELECT * FROM ${quoteName(table)}`)
    while (partials.length > cell.fanIn) {
      const next: string[] = []
      for (let from = 0; from < partials.length; from += cell.fanIn) {
        await this.#union(partials.slice(from, from + cell.fanIn))
        next.push(await this.#keep(merge, made))
      }
      partials = next
    }
    await this.#union(partials)
    try {
      return await this.answer(await this.print(split.root))
    } finally {
      await this.connection.run(`DROP VIEW __partials`)
      for (const name of made) await this.connection.run(`DROP TABLE ${name}`)
    }
  }

  async describe(sql: string): Promise<readonly Column[]> {
    const rows = await this.#values(`DESCRIBE ${sql}`)
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }))
  }

  async answer(sql: string): Promise<Answer> {
    const columns = await this.describe(sql)
    const names = columns.map((_, index) => `c${index}`)
    const texts = names.map((name) => `${name}::VARCHAR`)
    const rows = await this.#values(`SELECT ${texts.join(', ')} FROM (${sql}) AS answer(${names.join(', ')})`)
    return { columns, rows: rows as (string | null)[][] }
  }

  async print(node: AstObject): Promise<string> {
    const json = printAst({ error: false, statements: [{ node, named_param_map: [] }] })
    const [[sql] = ['']] = await this.#values(`SELECT json_deserialize_sql(${quoteText(json)}::JSON)`)
    return String(sql)
  }

  close(): void {
    this.connection.closeSync()
  }

  async #bind(node: AstObject): Promise<readonly Column[]> {
    return this.describe(await this.print(node))
  }

  #relations(): readonly SplitRelation[] {
    return [...this.#tables].map(([name, { relation, columns, rows }]) => {
      return { relation, dataset: name, columns, segments: 8, rows, bytes: rows * columns.length }
    })
  }

  async #keep(sql: string, made: string[]): Promise<string> {
    const name = `share_${this.#shares++}`
    await this.connection.run(`CREATE TEMP TABLE ${name} AS ${sql}`)
    made.push(name)
    return name
  }

  async #union(names: readonly string[]): Promise<void> {
    const union = names.map((name) => `SELECT * FROM ${name}`).join(' UNION ALL ')
    await this.connection.run(`CREATE OR REPLACE TEMP VIEW __partials AS ${union}`)
  }

  async #values(sql: string): Promise<readonly (readonly unknown[])[]> {
    return (await this.connection.runAndReadAll(sql)).getRowsJS()
  }
}
