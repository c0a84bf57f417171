import { DuckDBInstance } from '@duckdb/node-api'
import { beforeAll, describe, expect, it } from 'vitest'
import { allowedFunctions, allowedTableFunctions, refusedFunctions } from '../../src/sql/allow/allowed-functions.js'
import { dataset, type InProcessPlanner, openInProcessPlanner, view } from './in-process-planner.js'

let planner: InProcessPlanner
beforeAll(async () => {
  planner = await openInProcessPlanner([
    dataset('t', { a: 'INTEGER', b: 'VARCHAR', l: 'INTEGER[]' }),
    dataset('people', { user: 'VARCHAR', current_date: 'DATE' }),
    view('evil', "select * from read_text('/etc/passwd')"),
  ])
})

describe('the lists of functions', () => {
  it('have every function of the installed DuckDB on one side or the other', async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const answer = await connection.runAndReadAll(`
      SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro')
        AND NOT starts_with(function_name, 'icu_collate_') AND NOT starts_with(function_name, '__internal_')`)
    const names = answer.getRows().map(([name]) => String(name))
    expect(names.length).toBeGreaterThan(600)
    expect(names.filter((name) => !allowedFunctions.has(name) && !refusedFunctions.has(name))).toEqual([])
  })

  it('do not overlap', () => {
    expect([...allowedFunctions].filter((name) => refusedFunctions.has(name))).toEqual([])
  })

  it('allow no table function that reads files, settings, logs or the catalogue', () => {
    const reaching =
      /read|scan|parquet|glob|sniff|csv|json_exec|duckdb|pragma|log|query|secret|summary|vector|checkpoint|profil|peg|storage/
    expect([...allowedTableFunctions].filter((name) => reaching.test(name))).toEqual([])
  })
})

describe('what a statement may call', () => {
  it.each([
    'current_setting',
    'getenv',
    'getvariable',
    'current_database',
    'current_schema',
    'current_schemas',
    'current_query',
    'txid_current',
    'nextval',
    'currval',
    'pg_sleep',
    'sleep_ms',
    'write_log',
    'json_serialize_sql',
    'json_serialize_plan',
    'json_deserialize_sql',
    'stats',
    'in_search_path',
    'parse_duckdb_log_message',
    'current_connection_id',
    'has_table_privilege',
    'pg_get_viewdef',
  ])('refuses %s()', async (name) => {
    for (const call of [`${name}('a')`, `main.${name}('a')`, `"${name.toUpperCase()}"('a')`]) {
      await expect(planner.plan(`select a, ${call} from t`)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    }
  })

  it.each([
    "select 1 where getenv('HOME') is null",
    "select (select getenv('HOME'))",
    'select list_transform(l, lambda x: getenv(b)) from t',
    "select sum(a) filter (where current_setting('threads') > 1) from t",
    'select sum(a) over (order by getenv(b)) from t',
    'select a from t order by getenv(b)',
    "select a from t limit (select getenv('N')::int)",
    'select a from t group by getenv(b), a',
    "with x as (select getenv('HOME')) from x",
    "select * from range(getenv('N')::int)",
    "values (getenv('HOME'))",
    'select * from t join t u on getenv(t.b) = u.b',
    'select a from t qualify row_number() over (order by getenv(b)) = 1',
    'select case when true then getenv(b) end from t',
    'select b.getenv() from t',
    'select t.b.getenv() from t',
    'select list_transform(l, lambda x: x.current_setting()) from t',
    'select current_user.upper() from t',
    "select * from b.read_text('/etc/passwd')",
    "select * from read_text.b('/etc/passwd'), t",
    "describe select getenv('HOME')",
    "summarize select getenv('HOME')",
    "select * from (describe select current_setting('threads'))",
    "create table x as select getenv('HOME')",
    "create view x as select getenv('HOME')",
    "insert into t select 1, getenv('HOME'), null",
    "explain select getenv('HOME')",
  ])('finds it wherever it stands: %s', async (sql) => {
    await expect(planner.plan(sql)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
  })

  it.each([
    "read_parquet('x')",
    "read_csv('x')",
    "read_csv_auto('x')",
    "read_json('x')",
    "read_text('/etc/passwd')",
    "read_blob('x')",
    "glob('*')",
    "parquet_metadata('x')",
    "parquet_schema('x')",
    "sniff_csv('x')",
    "enable_logging(storage = 'file')",
    'disable_logging()',
    'duckdb_logs()',
    'duckdb_settings()',
    'duckdb_tables()',
    'duckdb_functions()',
    'duckdb_secrets()',
    'duckdb_memory()',
    'pragma_version()',
    "query('select 1')",
    "query_table('t')",
    "json_execute_serialized_sql('x')",
    "seq_scan('t')",
    "which_secret('x', 'y')",
    'pragma_database_size()',
    'test_vector_types(1)',
    'checkpoint()',
    'force_checkpoint()',
    "sql_auto_complete('s')",
    'truncate_duckdb_logs()',
    "read_duckdb('x')",
    "histogram('t', 'a')",
    'enable_profiling()',
  ])('refuses FROM %s', async (call) => {
    await expect(planner.plan(`select * from ${call}`)).rejects.toMatchObject({ code: 'NOT_ALLOWED', position: 14 })
  })

  it.each(['range(3)', 'generate_series(1, 2)', 'unnest([1, 2])', "json_each('[1]')", 'repeat(1, 2)', 'test_all_types()'])(
    'allows FROM %s',
    async (call) => {
      await expect(planner.plan(`select * from ${call}`)).resolves.toMatchObject({ reads: [] })
    },
  )

  it.each(['current_user', 'session_user', 'user', 'current_role', 'current_catalog', 'current_schema', 'USER'])(
    'refuses %s, which is a column in the tree',
    async (name) => {
      await expect(planner.plan(`select ${name}`)).rejects.toMatchObject({ code: 'NOT_ALLOWED', position: 7 })
    },
  )

  it('takes such a name as a column where there is one', async () => {
    const plan = await planner.plan('select user, current_date from people')
    expect(plan.work.whole.sql).toBe('SELECT "user", current_date FROM __fb0 AS people')
    expect(plan.reads[0]?.columns.map((column) => column.name)).toEqual(['user', 'current_date'])
  })

  it.each([
    "'x.parquet'",
    '"/etc/passwd"',
    "'s3://b/k.csv'",
    'sqlite_master',
    'pg_catalog.pg_class',
    'duckdb_tables',
    'other.t',
    'system.main.t',
    'temp.t',
  ])('finds no table %s', async (name) => {
    await expect(planner.plan(`select * from ${name}`)).rejects.toMatchObject({ code: 'NAME_NOT_FOUND', position: 14 })
  })

  it('checks a view again when it is used', async () => {
    await expect(planner.plan('select * from evil')).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
  })

  it.each([
    "select * from t pivot (sum(a) for b in ('x'))",
    'select * from (pivot t on b using sum(a))',
    'select * from t at (version => 1)',
  ])('does not support %s', async (sql) => {
    await expect(planner.plan(sql)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
  })

  it('supports UNPIVOT in FROM', async () => {
    const plan = await planner.plan('select * from (select a, a + 1 c from t) unpivot (v for n in (a, c))')
    expect(plan.columns.map((column) => column.name)).toEqual(['n', 'v'])
  })

  it('opens DuckDB without files, extensions and settings', async () => {
    for (const sql of [
      "SELECT * FROM read_text('/etc/passwd')",
      'SET threads = 2',
      "COPY (SELECT 1) TO '/tmp/x.csv'",
      'INSTALL httpfs',
      "ATTACH 'x.db'",
    ]) {
      await expect(planner.session.rows(sql)).rejects.toThrow()
    }
  })
})
