import { describe, expect, it } from 'vitest'
import { type RelationDefinition, relationName } from '../../src/model/catalogue.js'
import { foldName } from '../../src/model/fold-name.js'
import type { Plan } from '../../src/model/query.js'
import type { BaseSegment } from '../../src/model/segment.js'
import { DuckDBSession } from '../../src/sql/duckdb-session.js'
import { type FormedRequest, PlanForms } from '../../src/sql/planner/plan-forms.js'
import { StatementPlanner } from '../../src/sql/planner/plan-statement.js'
import type { PlanRequest } from '../../src/sql/planner.js'
import { Definitions } from '../../src/sql/resolve/definitions.js'
import { generateLake } from '../support/generate-lake.js'
import { generateQuery } from '../support/generate-query.js'
import { PlanOracle } from '../support/oracle-plan.js'
import { Seeded } from '../support/seeded.js'
import { varied } from '../support/vary-literals.js'
import { dataset, view } from './in-process-planner.js'

const request = (sql: string): PlanRequest => ({ sql, params: {}, timeZone: 'UTC', nowMs: 0, tree: 'auto' })

/** A planner and the forms that learn from it, as a pool has them. */
class Planners {
  served = 0
  readonly #planner: StatementPlanner
  readonly #forms: PlanForms

  readonly #definitions: Definitions
  readonly #relations: RelationDefinition[]

  private constructor(planner: StatementPlanner, forms: PlanForms, definitions: Definitions, relations: RelationDefinition[]) {
    this.#planner = planner
    this.#forms = forms
    this.#definitions = definitions
    this.#relations = relations
  }

  static async open(given: readonly RelationDefinition[]): Promise<Planners> {
    const session = await DuckDBSession.open()
    const definitions = new Definitions()
    const relations = [...given]
    for (const relation of relations) definitions.define(relation)
    const forms = new PlanForms((name) => relations.find((each) => foldName(relationName(each)) === name))
    const planner = new StatementPlanner(session, definitions, await session.functionNames())
    return new Planners(planner, forms, definitions, relations)
  }

  /** Something else stands for a name from now on. */
  define(now: RelationDefinition): void {
    const index = this.#relations.findIndex((each) => foldName(relationName(each)) === foldName(relationName(now)))
    this.#forms.definitionChanged(this.#relations[index], now)
    this.#relations[index] = now
    this.#definitions.define(now)
  }

  /** The planner's plan of a text, held against what the forms make of it. */
  async plan(sql: string): Promise<Plan | undefined> {
    const formed = this.#forms.read(request(sql))
    const made = formed === undefined ? undefined : await this.#forms.plan(formed)
    const wanted = formed !== undefined && this.#forms.wants(formed)
    const planned = await this.#planner.plan(request(sql), wanted).catch(() => undefined)
    if (planned === undefined) {
      // What does not bind may be found out by the node that runs it.
      return undefined
    }
    if (made !== undefined) {
      this.served++
      expect({ ...made, planMs: 0 }, sql).toEqual({ ...planned.plan, planMs: 0 })
    } else if (formed !== undefined && planned.cacheable) await this.#forms.learn(formed, planned.plan, planned.form)
    return planned.plan
  }
}

const ranges = (bytes: number): readonly Partial<BaseSegment>[] =>
  [0, 100, 200].map((from) => ({
    bytes,
    statistics: Object.fromEntries(
      ['a', 'g', 'n', 'id'].map((name) => [name, { min: String(from), max: String(from + 99), nulls: 0 }]),
    ),
  }))

describe('plans made from forms', () => {
  it('are the plans that a planner makes, of generated statements', async () => {
    const oracle = await PlanOracle.open()
    const relations: RelationDefinition[] = []
    for (const { name, select } of generateLake(0)) {
      const columns = await oracle.describe(select)
      relations.push(dataset(name, Object.fromEntries(columns.map((column) => [column.name, column.type])), ranges(3_000_000)))
    }
    oracle.close()
    const planners = await Planners.open(relations)
    for (let seed = 0; seed < 40; seed++) {
      const random = new Seeded(seed)
      const { sql } = generateQuery(seed)
      for (const text of [sql, ...Array.from({ length: 8 }, () => varied(sql, random))]) await planners.plan(text)
    }
    expect(planners.served).toBeGreaterThan(10)
  }, 120_000)

  it.each([
    ['what is left of a dataset is shared out', 3_000_000],
    ['too little is left to be shared out', 3_000],
  ])('read the segments that other constants leave, where %s', async (_, bytes) => {
    const planners = await Planners.open([dataset('t', { a: 'INTEGER', b: 'VARCHAR', m: 'DECIMAL(9,2)' }, ranges(bytes))])
    const text = (n: number): string =>
      `SELECT b, sum(m) AS s FROM t WHERE a = ${n} AND b <> 'x''${n}' AND m < ${n % 9}.5 GROUP BY b`
    const reads: (readonly number[] | undefined)[] = []
    for (const n of [5, 16, 107, 128, 239, 999]) reads.push((await planners.plan(text(n)))?.reads[0]?.segments)
    expect(reads).toEqual([[0], [0], [1], [1], [2], []])
    // All after the third, but for the one of which nothing is left while that is enough to be shared out.
    expect(planners.served).toBe(bytes === 3_000 ? 3 : 2)
  })

  it('are made of texts that begin with blank lines too', async () => {
    const planners = await Planners.open([dataset('t', { a: 'INTEGER' }, ranges(3_000))])
    for (const n of [1, 2, 3, 4, 5]) await planners.plan(`\n  SELECT a FROM t WHERE a > ${n}`)
    expect(planners.served).toBe(2)
  })

  it('are made with a literal at the place where a constant stands in the text of a view', async () => {
    const [asked, viewed] = ['SELECT a FROM v WHERE a < ', 'SELECT * FROM t WHERE b > 0.5']
    const text = viewed.padStart(viewed.length + asked.length - viewed.indexOf('0.5'))
    const planners = await Planners.open([dataset('t', { a: 'INTEGER', b: 'INTEGER' }, ranges(3_000)), view('v', text)])
    for (const n of [1, 2, 3, 4, 5]) await planners.plan(`${asked}${n}`)
    expect(planners.served).toBe(2)
  })

  it('go back to the planner where a form fails, and fail no query', async () => {
    const { snapshot } = dataset('t', { a: 'INTEGER' }, ranges(3_000))
    const forms = new PlanForms(() => ({ kind: 'dataset', snapshot }))
    const session = await DuckDBSession.open()
    const definitions = new Definitions()
    definitions.define({ kind: 'dataset', snapshot })
    const planner = new StatementPlanner(session, definitions, await session.functionNames())
    const learn = async (n: number): Promise<void> => {
      const asked = request(`SELECT a FROM t WHERE a > ${n}`)
      const formed = forms.read(asked) as FormedRequest
      const { plan, form } = await planner.plan(asked, forms.wants(formed))
      await forms.learn(formed, plan, form)
    }
    for (const n of [1, 2, 3]) await learn(n)
    const formed = forms.read(request('SELECT a FROM t WHERE a > 4')) as FormedRequest
    expect(await forms.plan(formed)).toBeDefined()
    Object.defineProperty(snapshot, 'segments', {
      get: () => {
        throw new Error('no segments')
      },
    })
    expect(await forms.plan(formed)).toBeUndefined()
  })

  it('leave to the planner what it must ask DuckDB about, and what it plans anew each time', async () => {
    const planners = await Planners.open([dataset('t', { a: 'INTEGER', d: 'DATE' }, ranges(3_000))])
    for (const n of [1, 2, 3, 4, 5]) await planners.plan(`SELECT a FROM t WHERE d > DATE '2026-01-01' + ${n}`)
    for (const n of [1, 2, 3, 4, 5]) await planners.plan(`SELECT a FROM t WHERE d > now() AND a > ${n}`)
    for (const n of [1, 2, 3, 4, 5]) await planners.plan(`SELECT a FROM t WHERE a > ${n} LIMIT ${n}`)
    for (const n of [1, 2, 3, 4, 5]) await planners.plan(`SELECT a + ${n} FROM t WHERE a > 3`)
    expect(planners.served).toBe(0)
  })

  describe('of tables whose rows change', () => {
    const columns = { a: 'INTEGER', g: 'VARCHAR', m: 'DECIMAL(9,2)' }
    /** A table with so many segments of the ranges 0 to 99, 100 to 199 and so on. */
    const grown = (name: string, segments: number, bytes = 3_000_000, rows = 1_000): RelationDefinition => {
      const parts = Array.from({ length: segments }, (_, index) => ({
        bytes,
        rows,
        statistics: { a: { min: String(index * 100), max: String(index * 100 + 99), nulls: 0 } },
      }))
      const { snapshot } = dataset(name, columns, parts)
      return { kind: 'dataset', snapshot: { ...snapshot, id: `${name}@${segments}-${bytes}-${rows}` } }
    }

    it.each([
      ['a condition', 'SELECT g, sum(m) AS s FROM t WHERE a >= 150 GROUP BY g', [[1, 2], [1, 2, 3], [1]]],
      [
        'no literal at all',
        'SELECT g, sum(m) AS s FROM t GROUP BY g',
        [
          [0, 1, 2],
          [0, 1, 2, 3],
          [0, 1],
        ],
      ],
    ])('read what is there by now, of a statement with %s', async (_, sql, expected) => {
      const planners = await Planners.open([grown('t', 2)])
      for (let time = 0; time < 2; time++) await planners.plan(sql)
      const reads: (readonly number[] | undefined)[] = []
      for (const segments of [3, 4, 2]) {
        planners.define(grown('t', segments))
        reads.push((await planners.plan(sql))?.reads[0]?.segments)
      }
      expect(reads).toEqual(expected)
      expect(planners.served).toBe(3)
    })

    it('say why nothing is shared out of a statement that reads no table', async () => {
      const planners = await Planners.open([grown('t', 2)])
      for (let time = 0; time < 2; time++) await planners.plan('SELECT 1 AS one')
      planners.define(grown('t', 3))
      expect((await planners.plan('SELECT 1 AS one'))?.work.why).toBe('no dataset is read')
      expect(planners.served).toBe(1)
    })

    it('are made anew where what is shared out would be another table, or none', async () => {
      const sql = 'SELECT t.g, sum(t.m) AS s FROM t JOIN u ON t.a = u.a GROUP BY t.g'
      const planners = await Planners.open([grown('t', 3), grown('u', 1, 5_000, 10)])
      const shared = async (): Promise<string | undefined> => {
        const plan = await planners.plan(sql)
        if (plan?.work.shape !== 'split') return plan?.work.shape
        const { distributed } = plan.work
        return plan.reads.find(({ relation }) => relation === distributed)?.dataset
      }
      expect([await shared(), await shared()]).toEqual(['t', 't'])
      planners.define(grown('u', 2, 6_000, 20))
      expect(await shared()).toBe('t')
      expect(planners.served).toBe(1)
      planners.define(grown('u', 9, 4_000_000, 500_000))
      expect(await shared()).toBe('u')
      planners.define(grown('u', 1, 5_000, 10))
      planners.define(grown('t', 1, 5_000, 10))
      expect(await shared()).toBe('whole')
      // The planner was asked each time.
      expect(planners.served).toBe(1)
    })

    it('are forgotten with other columns, and with a view in the place of the table', async () => {
      const sql = 'SELECT g, sum(m) AS s FROM t WHERE a >= 150 GROUP BY g'
      const planners = await Planners.open([grown('t', 2)])
      for (let time = 0; time < 2; time++) await planners.plan(sql)
      planners.define(dataset('t', { ...columns, m: 'DOUBLE' }, ranges(3_000_000)))
      await planners.plan(sql)
      planners.define({ kind: 'view', name: 't', sql: 'SELECT 1 AS a, 2 AS g, 3 AS m' })
      await planners.plan(sql)
      expect(planners.served).toBe(0)
    })
  })
})
