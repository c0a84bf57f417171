import { describe, expect, it } from 'vitest'
import { readHeader } from '../../src/sql/statement/header.js'
import { nestingMax, sqlCharactersMax } from '../../src/sql/statement/limits.js'

const refused = (sql: string): unknown => {
  try {
    readHeader(sql)
  } catch (error) {
    return error
  }
  throw new Error(`accepted: ${sql}`)
}

describe('readHeader', () => {
  it.each([
    'select 1',
    '  (select 1)',
    'WITH a AS (SELECT 1) FROM a',
    'from t',
    'values (1)',
    'table t',
    'show tables',
    'desc t',
    'SUMMARIZE t;;',
  ])('takes %s as a SELECT', (sql) => {
    expect(readHeader(sql)).toMatchObject({ kind: 'select', body: { text: sql.trim().replace(/;+$/, '') } })
  })

  it('cuts the header of CREATE TABLE', () => {
    expect(readHeader('create or replace table "My Table" as -- why\n select 1 ;')).toEqual({
      kind: 'create-table',
      table: 'My Table',
      replace: true,
      ifNotExists: false,
      body: { text: 'select 1', offset: 46 },
    })
    expect(readHeader('CREATE TABLE IF NOT EXISTS main.t AS FROM u')).toMatchObject({
      table: 't',
      ifNotExists: true,
      replace: false,
    })
  })

  it('reads the forms of INSERT', () => {
    expect(readHeader('insert into t values (1)')).toMatchObject({ kind: 'insert', table: 't', columns: [], byName: false })
    expect(readHeader('insert into t (a, "B") select 1, 2')).toMatchObject({ columns: ['a', 'B'], body: { text: 'select 1, 2' } })
    expect(readHeader('insert into t (select 1)')).toMatchObject({ columns: [], body: { text: '(select 1)' } })
    expect(readHeader('insert into t by name select 1 a')).toMatchObject({ byName: true })
  })

  it('reads views and drops', () => {
    expect(readHeader('create view v(a, b) as select 1, 2')).toMatchObject({
      kind: 'create-view',
      view: 'v',
      columns: ['a', 'b'],
    })
    expect(readHeader('drop table if exists t')).toEqual({ kind: 'drop-table', table: 't', ifExists: true })
    expect(readHeader('drop view forebay.main.v cascade')).toEqual({ kind: 'drop-view', view: 'v', ifExists: false })
    expect(readHeader('explain from t')).toMatchObject({ kind: 'explain', body: { text: 'from t' } })
  })

  it.each([
    'copy t to x',
    'attach x',
    'detach x',
    'set threads = 1',
    'reset threads',
    'pragma version',
    'install httpfs',
    'load httpfs',
    'use x',
    'call enable_logging()',
    'export database x',
    'import database x',
    'checkpoint',
    'force checkpoint',
    'prepare p as select 1',
    'execute p',
    'deallocate p',
    'create secret s (type s3)',
    'drop secret s',
  ])('does not allow %s', (sql) => {
    expect(refused(sql)).toMatchObject({ code: 'NOT_ALLOWED' })
  })

  it.each([
    'delete from t',
    'update t set a = 1',
    'merge into t using u on true when matched then delete',
    'truncate t',
    'alter table t add column a int',
    'begin',
    'commit',
    'rollback',
    'vacuum',
    'pivot t on a',
    'unpivot t on a',
    'comment on table t is 1',
    'create table t (a int)',
    'create temp table t as select 1',
    'create schema s',
    'create index i on t(a)',
    'create sequence s',
    'create type e as enum (1)',
    'create macro m() as 1',
    'create function f() as 1',
    'drop schema s',
    'drop index i',
    'insert or replace into t select 1',
    'explain analyze select 1',
    'explain (format json) select 1',
    'analyze',
    'explain delete from t',
    'create table t as delete from u',
  ])('does not support %s', (sql) => {
    expect(refused(sql)).toMatchObject({ code: 'NOT_SUPPORTED' })
  })

  it.each([
    ['', 0],
    [' ; ; ', 0],
    ['selec 1', 0],
    ['  frobnicate', 2],
    ['create table as select 1', 16],
    ['drop table', 10],
    ['drop table a, b', 12],
    ['insert into t', 13],
    ['create table t as', 17],
    ['42', 0],
  ])('calls %j wrong at %i', (sql, position) => {
    expect(refused(sql)).toMatchObject({ code: 'SQL_SYNTAX', position })
  })

  it('takes exactly one statement', () => {
    expect(refused("select ';'; drop table t")).toMatchObject({ code: 'NOT_SUPPORTED', position: 12 })
  })

  it.each(['create table _t as select 1', 'create view ".v" as select 1', 'create table "a/b" as select 1'])(
    'refuses the name in %s',
    (sql) => {
      expect(refused(sql)).toMatchObject({ code: 'NOT_ALLOWED' })
    },
  )

  it('drops what has a name that was allowed once', () => {
    expect(readHeader('drop table "a\\b"')).toEqual({ kind: 'drop-table', table: 'a\\b', ifExists: false })
    expect(readHeader('drop view _v')).toEqual({ kind: 'drop-view', view: '_v', ifExists: false })
  })

  it('refuses other schemas', () => {
    expect(refused('create table other.t as select 1')).toMatchObject({ code: 'NAME_NOT_FOUND', position: 13 })
  })

  it('bounds size, nesting, prefixes and set operations without hanging', () => {
    const before = process.cpuUsage()
    expect(refused(`select ${'('.repeat(10_000)}1${')'.repeat(10_000)}`)).toMatchObject({
      code: 'NOT_SUPPORTED',
      position: 7 + nestingMax,
    })
    expect(refused(`select ${'not '.repeat(10_000)}true`)).toMatchObject({ code: 'NOT_SUPPORTED' })
    expect(refused(`select ${'case when true then '.repeat(1_000)}1${' end'.repeat(1_000)}`)).toMatchObject({
      code: 'NOT_SUPPORTED',
    })
    expect(refused('select 1 union all '.repeat(20_000))).toMatchObject({ code: 'NOT_SUPPORTED' })
    expect(refused(`select '${'x'.repeat(sqlCharactersMax)}'`)).toMatchObject({ code: 'NOT_SUPPORTED' })
    expect(refused('explain '.repeat(100_000))).toMatchObject({ code: 'SQL_SYNTAX' })
    expect(refused('select 1 \0')).toMatchObject({ code: 'SQL_SYNTAX', position: 9 })
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(2_000)
  })
})
