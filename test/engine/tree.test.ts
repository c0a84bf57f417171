import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/model/clock.js'
import type { TaskEvent } from '../../src/model/lineage-event.js'
import { Predictor } from '../../src/predict/predictor.js'
import { openUnderTest, requestOf, type UnderTest, until } from './engine-under-test.js'

let under: UnderTest

/** Nine files, 12,000 groups that every file has a part of. */
const files = 9

beforeAll(async () => {
  under = await openUnderTest(
    Array.from(
      { length: files },
      (_, file) =>
        `COPY (SELECT (i * 7 + ${file}) % 12000 AS k, i % 10 AS d, i + ${file} AS v FROM range(20000) t(i))
         TO '$DATA/lake/part-${file}.parquet'`,
    ),
    { nodes: 9, memoryBytes: 3e9, predictor: new Predictor({ clock: systemClock }), reader: { work: async () => [] } },
  )
}, 120_000)
afterAll(() => under?.close(), 60_000)

describe('a tree', () => {
  it('is expected on the nodes that it will run on, before anything has run', async () => {
    const asked = requestOf('SELECT d, max(v) FROM lake GROUP BY d', { tree: 'always' })
    const { prediction } = await under.engine.predict(asked, AbortSignal.timeout(30_000))
    const expected = prediction?.nodes.map(({ node, role }) => `${role} ${node}`).toSorted()
    const { status } = await under.query(asked.sql, { tree: 'always' })
    const leaves = status.tasks.filter(({ role }) => role === 'leaf').map(({ node }) => `leaf ${node}`)
    expect(expected).toEqual(leaves.toSorted())
  })

  it('has three levels with aggregators on distinct nodes for many groups on nine nodes', async () => {
    const sql = 'SELECT k, count(*) AS n, sum(v) AS s, avg(v) AS a FROM lake GROUP BY k ORDER BY k'
    const { rows, status } = await under.query(sql, { tree: 'always' })
    const expected = await under.duckdb(
      `SELECT k, count(*), sum(v)::BIGINT, avg(v) FROM read_parquet('$DATA/lake/*.parquet') GROUP BY k ORDER BY k`,
    )
    expect(rows.length).toBe(12_000)
    expect(rows.map((row) => row.map(Number))).toEqual(expected.map((row) => row.map(Number)))
    expect(status.actual?.levels).toBe(3)
    expect(status.stages.map((stage) => stage.role)).toEqual(['leaf', 'aggregator', 'root'])
    expect(status.stages[0]?.tasks).toBe(9)
    const explained = await under.engine.explain(requestOf(sql, { tree: 'always', reuse: false }), AbortSignal.timeout(30_000))
    expect(explained.tree).toEqual(status.stages.map(({ role, tasks }) => ({ role, tasks })))

    await until(() => under.recorder.tasks(status.queryId).length >= status.tasks.length, 'lineage of every task')
    const tasks = under.recorder.tasks(status.queryId)
    const byRole = (role: string): readonly TaskEvent[] => tasks.filter((task) => task.role === role)
    const aggregators = new Set(byRole('aggregator').map((task) => task.node))
    expect(aggregators.size).toBeGreaterThanOrEqual(2)
    expect(aggregators.size).toBe(byRole('aggregator').length)
    expect(new Set(byRole('leaf').map((task) => task.node)).size).toBe(9)
    // Only leaves read the lake; aggregators and root read what others made, from where it was made.
    for (const task of tasks) expect(task.baseReads.length > 0).toBe(task.role === 'leaf')
    const maker = new Map(tasks.flatMap((task) => (task.output === undefined ? [] : [[task.output.segment, task.node]])))
    for (const task of tasks) for (const read of task.derivedReads) expect(read.source).toBe(maker.get(read.segment))
    const leafSegments = byRole('leaf').map((task) => task.output?.segment)
    const read = byRole('aggregator').flatMap((task) => task.derivedReads.map((each) => each.segment))
    expect(read.toSorted()).toEqual(leafSegments.toSorted())
    expect(
      byRole('root')[0]
        ?.derivedReads.map((each) => each.segment)
        .toSorted(),
    ).toEqual(
      byRole('aggregator')
        .map((task) => task.output?.segment)
        .toSorted(),
    )
  })

  it('keeps no file of what an aggregator made for it', async () => {
    const { status } = await under.query('SELECT k, max(v) AS m FROM lake GROUP BY k', { tree: 'always' })
    expect(status.actual?.levels).toBe(3)
    await until(() => under.recorder.tasks(status.queryId).length >= status.tasks.length, 'lineage of every task')
    const passing = under.recorder
      .tasks(status.queryId)
      .flatMap(({ role, output }) => (role === 'aggregator' ? [output?.segment ?? ''] : []))
    const nodes = join(under.stateFolder, 'nodes')
    const spooled = () => readdirSync(nodes).flatMap((node) => readdirSync(join(nodes, node, 'spool')))
    await until(() => !spooled().some((name) => passing.includes(name.split('.')[0] ?? '')), 'the end of its files', 5_000)
  })

  it('has two levels for few groups', async () => {
    const { rows, status } = await under.query('SELECT d, sum(v) AS s FROM lake GROUP BY d ORDER BY d', { tree: 'always' })
    expect(rows.length).toBe(10)
    expect(status.actual?.levels).toBe(2)
  })

  it('gives the right row over no segments', async () => {
    const { rows } = await under.query('SELECT count(*) AS n, sum(v) AS s FROM lake WHERE v < -5', { tree: 'always' })
    expect(rows).toEqual([[0, null]])
  })
})
