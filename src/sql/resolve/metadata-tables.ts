import { relationName } from '../../model/catalogue.js'
import { ForebayError } from '../../model/errors.js'
import { foldName } from '../../model/fold-name.js'
import { quoteName, quoteText } from '../../model/quote.js'
import type { Column } from '../../model/segment.js'
import type { AstObject, AstValue } from '../ast-text.js'
import { child, emptySelect, isObject, starItem, textOf, walk } from '../ast-walk.js'
import type { DuckDBSession } from '../duckdb-session.js'
import type { Definitions } from './definitions.js'
import { metadataReference } from './resolve-names.js'

type Cell = string | number | boolean | null | readonly string[]

/** Rows that stand for a table of metadata. */
interface Literal {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
}

/**
 * `information_schema`, DESCRIBE and SHOW, answered from the definitions as literal rows, so that the rest of the statement
 * runs on any node and nobody sees a node's own views. Columns and types are those of DuckDB 1.5; those that it leaves NULL
 * are NULL here too.
 */
export class MetadataTables {
  readonly #session: DuckDBSession
  readonly #definitions: Definitions
  readonly #viewColumns: (name: string) => Promise<readonly Column[]>
  #describing = false

  constructor(session: DuckDBSession, definitions: Definitions, viewColumns: (name: string) => Promise<readonly Column[]>) {
    this.#session = session
    this.#definitions = definitions
    this.#viewColumns = viewColumns
  }

  /** A copy of the tree in which each reference to metadata is a subquery of literals. */
  async fill(value: AstObject): Promise<AstObject> {
    return refersToMetadata(value) ? ((await this.#fill(value)) as AstObject) : value
  }

  async #fill(value: AstValue): Promise<AstValue> {
    if (Array.isArray(value)) {
      const items: AstValue[] = []
      for (const item of value) items.push(typeof item === 'object' ? await this.#fill(item) : item)
      return items
    }
    if (!isObject(value)) return value
    const copy: AstObject = {}
    for (const key in value) {
      const inner = value[key] as AstValue
      copy[key] = typeof inner === 'object' && inner !== null ? await this.#fill(inner) : inner
    }
    if (typeof copy.class === 'string') return copy
    if (copy.type === metadataReference) return this.#subquery(await this.#table(textOf(copy, 'table_name')), copy)
    if (copy.type === 'SHOW_REF' && copy.show_type === 'SUMMARY') return summarySubquery(copy)
    if (copy.type === 'SHOW_REF') return this.#subquery(await this.#show(copy), copy)
    return copy
  }

  async #show(node: AstObject): Promise<Literal> {
    const query = child(node, 'query')
    if (query !== undefined && node.show_type === 'DESCRIBE') {
      const [sql = ''] = await this.#session.print([query])
      const columns = await this.#session.describe(sql)
      return literal(
        describeColumns,
        columns.map(({ name, type }) => [name, type, 'YES', null, null, null]),
      )
    }
    const subject = textOf(node, 'table_name').replaceAll('"', '')
    if (subject === 'tables')
      return literal(
        'name VARCHAR',
        this.#names().map((name) => [name]),
      )
    if (subject === 'databases') return literal('database_name VARCHAR', [['forebay']])
    if (subject === 'schemas') return literal('database_name VARCHAR, schema_name VARCHAR', [['forebay', 'main']])
    if (subject === '__show_tables_expanded') {
      const relations = await this.#relations()
      const rows = relations.map(({ name, columns }) => [
        'forebay',
        'main',
        name,
        columns.map((column) => column.name),
        columns.map((column) => column.type),
        false,
      ])
      return literal(showAllColumns, rows)
    }
    throw new ForebayError('NOT_SUPPORTED', 'this form of SHOW is not supported', {
      hint: 'SHOW TABLES, SHOW ALL TABLES, DESCRIBE t',
    })
  }

  async #table(name: string): Promise<Literal> {
    const table = foldName(name)
    if (table === 'schemata') return literal(schemataColumns, [['forebay', 'main', null, null, null, null, null]])
    if (table === 'tables') {
      return literal(
        tablesColumns,
        this.#definitions.all().map((definition) => {
          const view = definition.kind === 'view'
          const type = view ? 'VIEW' : 'BASE TABLE'
          return [
            'forebay',
            'main',
            relationName(definition),
            type,
            null,
            null,
            null,
            null,
            null,
            view ? 'NO' : 'YES',
            'NO',
            null,
            null,
          ]
        }),
      )
    }
    if (table === 'views') {
      const views = this.#definitions.all().flatMap((definition) => (definition.kind === 'view' ? [definition] : []))
      const rows = views.map(({ name: view, sql }) => ['forebay', 'main', view, sql, 'NONE', 'NO', 'NO', 'NO', 'NO', 'NO'])
      return literal(viewsColumns, rows)
    }
    if (table === 'columns') return literal(columnsColumns, (await this.#relations()).flatMap(columnRows))
    throw new ForebayError('NAME_NOT_FOUND', `table "information_schema.${name}" does not exist`, {
      hint: 'information_schema has tables, columns, views and schemata',
    })
  }

  #names(): readonly string[] {
    return this.#definitions.all().map(relationName)
  }

  /** Every relation with its columns; a broken table, and a view that cannot be bound any more, has none. */
  async #relations(): Promise<readonly { readonly name: string; readonly columns: readonly Column[] }[]> {
    const found: { name: string; columns: readonly Column[] }[] = []
    for (const definition of this.#definitions.all()) {
      const name = relationName(definition)
      if (definition.kind === 'dataset') found.push({ name, columns: definition.snapshot.columns })
      else found.push({ name, columns: definition.kind === 'view' ? await this.#columnsOfView(name) : [] })
    }
    return found
  }

  /** A view over information_schema.columns would ask for its own columns without end. */
  async #columnsOfView(name: string): Promise<readonly Column[]> {
    if (this.#describing) return []
    this.#describing = true
    try {
      return await this.#viewColumns(name)
    } catch {
      return []
    } finally {
      this.#describing = false
    }
  }

  async #subquery(table: Literal, reference: AstObject): Promise<AstObject> {
    return {
      type: 'SUBQUERY',
      alias: reference.alias ?? '',
      sample: reference.sample ?? null,
      query_location: reference.query_location ?? 0,
      subquery: { node: await this.#session.parse(literalSelect(table)), named_param_map: [] },
      column_name_alias: reference.column_name_alias ?? [],
    }
  }
}

function refersToMetadata(node: AstObject): boolean {
  let found = false
  walk(node, (part) => {
    found ||= part.class === undefined && (part.type === metadataReference || part.type === 'SHOW_REF')
    return !found
  })
  return found
}

/** DuckDB prints a SUMMARIZE that is not in a subquery as a statement of its own, which cannot be bound or run as a SELECT. */
function summarySubquery(reference: AstObject): AstObject {
  const node = { ...emptySelect, select_list: [starItem], from_table: { ...reference, alias: '' } }
  return {
    type: 'SUBQUERY',
    alias: reference.alias ?? '',
    sample: null,
    query_location: 0,
    subquery: { node, named_param_map: [] },
    column_name_alias: [],
  }
}

const describeColumns = 'column_name VARCHAR, column_type VARCHAR, null VARCHAR, key VARCHAR, default VARCHAR, extra VARCHAR'
const showAllColumns =
  'database VARCHAR, schema VARCHAR, name VARCHAR, column_names VARCHAR[], column_types VARCHAR[], temporary BOOLEAN'
const schemataColumns =
  'catalog_name VARCHAR, schema_name VARCHAR, schema_owner VARCHAR, default_character_set_catalog VARCHAR, ' +
  'default_character_set_schema VARCHAR, default_character_set_name VARCHAR, sql_path VARCHAR'
const tablesColumns =
  'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, table_type VARCHAR, self_referencing_column_name VARCHAR, ' +
  'reference_generation VARCHAR, user_defined_type_catalog VARCHAR, user_defined_type_schema VARCHAR, ' +
  'user_defined_type_name VARCHAR, is_insertable_into VARCHAR, is_typed VARCHAR, commit_action VARCHAR, TABLE_COMMENT VARCHAR'
const viewsColumns =
  'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, view_definition VARCHAR, check_option VARCHAR, ' +
  'is_updatable VARCHAR, is_insertable_into VARCHAR, is_trigger_updatable VARCHAR, is_trigger_deletable VARCHAR, ' +
  'is_trigger_insertable_into VARCHAR'
const columnsColumns =
  'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, ordinal_position INTEGER, ' +
  'column_default VARCHAR, is_nullable VARCHAR, data_type VARCHAR, character_maximum_length INTEGER, ' +
  'character_octet_length INTEGER, numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale INTEGER, ' +
  'datetime_precision INTEGER, interval_type VARCHAR, interval_precision INTEGER, character_set_catalog VARCHAR, ' +
  'character_set_schema VARCHAR, character_set_name VARCHAR, collation_catalog VARCHAR, collation_schema VARCHAR, ' +
  'collation_name VARCHAR, domain_catalog VARCHAR, domain_schema VARCHAR, domain_name VARCHAR, udt_catalog VARCHAR, ' +
  'udt_schema VARCHAR, udt_name VARCHAR, scope_catalog VARCHAR, scope_schema VARCHAR, scope_name VARCHAR, ' +
  'maximum_cardinality INTEGER, dtd_identifier VARCHAR, is_self_referencing VARCHAR, is_identity VARCHAR, ' +
  'identity_generation VARCHAR, identity_start VARCHAR, identity_increment VARCHAR, identity_maximum VARCHAR, ' +
  'identity_minimum VARCHAR, identity_cycle VARCHAR, is_generated VARCHAR, generation_expression VARCHAR, ' +
  'is_updatable VARCHAR, COLUMN_COMMENT VARCHAR'

/** Precision, radix and scale as DuckDB gives them: bits for binary numbers, digits for decimals. */
const numericPrecision: Readonly<Record<string, readonly [number, number, number]>> = {
  TINYINT: [8, 2, 0],
  SMALLINT: [16, 2, 0],
  INTEGER: [32, 2, 0],
  BIGINT: [64, 2, 0],
  UTINYINT: [8, 2, 0],
  USMALLINT: [16, 2, 0],
  UINTEGER: [32, 2, 0],
  UBIGINT: [64, 2, 0],
  HUGEINT: [128, 2, 0],
  UHUGEINT: [128, 2, 0],
  FLOAT: [24, 2, 0],
  DOUBLE: [53, 2, 0],
}

function columnRows({
  name,
  columns,
}: {
  readonly name: string
  readonly columns: readonly Column[]
}): readonly (readonly Cell[])[] {
  return columns.map((column, index) => {
    const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(column.type)
    const [precision, radix, scale] =
      decimal === null ? (numericPrecision[column.type] ?? [null, null, null]) : [Number(decimal[1]), 10, Number(decimal[2])]
    const head = ['forebay', 'main', name, column.name, index + 1, null, 'YES', column.type, null, null, precision, radix, scale]
    return [...head, ...Array<null>(32).fill(null)]
  })
}

function literal(definition: string, rows: readonly (readonly Cell[])[]): Literal {
  const columns = definition.split(', ').map((column) => {
    const [name = '', type = ''] = column.split(' ')
    return { name, type }
  })
  return { columns, rows }
}

/** Columns that are NULL throughout are left out of the list of rows, which for `columns` is most of them. */
function literalSelect({ columns, rows }: Literal): string {
  const kept = columns.flatMap((_, index) => (rows.some((row) => row[index] !== null && row[index] !== undefined) ? [index] : []))
  const items = columns.map(({ name, type }, index) => {
    const at = kept.indexOf(index)
    return `CAST(${at < 0 ? 'NULL' : `v${at}`} AS ${type}) AS ${quoteName(name)}`
  })
  if (kept.length === 0) return `SELECT ${items.join(', ')} WHERE false`
  const tuples = rows.map((row) => `(${kept.map((index) => cellText(row[index] ?? null)).join(', ')})`)
  return `SELECT ${items.join(', ')} FROM (VALUES ${tuples.join(', ')}) AS rows(${kept.map((_, at) => `v${at}`).join(', ')})`
}

function cellText(cell: Cell): string {
  if (cell === null) return 'NULL'
  if (typeof cell === 'string') return quoteText(cell)
  if (typeof cell === 'number' || typeof cell === 'boolean') return String(cell)
  return `CAST([${cell.map(quoteText).join(', ')}] AS VARCHAR[])`
}
