import type { DatasetRead, Stage, Work } from '../../model/query.js'
import type { Column } from '../../model/segment.js'
import type { AstObject } from '../ast-text.js'
import { asBound } from '../compared-constants.js'
import type { DuckDBSession } from '../duckdb-session.js'
import { operatorsOf } from '../operators.js'
import type { PlanRequest } from '../planner.js'
import type { Relation } from '../resolve/resolve-names.js'
import { bytesOf, sizesOf } from '../split/relation-sizes.js'
import type { SplitContext, SplitTrees } from '../split/split.js'
import { splitSelect } from '../split/split-select.js'
import { givesNoMoreRows } from './answer-rows-max.js'
import { fullSort } from './full-sort.js'
import { limitedApart } from './limited-apart.js'
import { changedEverywhere, changedWhereBound } from './placed-change.js'
import { type StageName, tooLittle } from './plan-form.js'

/** What is settled of a SELECT before its work is laid out. */
export interface SelectToWork {
  readonly node: AstObject
  readonly sql: string
  readonly columns: readonly Column[]
  readonly relations: readonly Relation[]
  readonly repeatable: boolean
}

/** Longer statements cost more to take apart than a tree saves. */
const splitCharactersMax = 100_000

/** What DuckDB would answer wrongly is printed otherwise. */
const soundChanges = [limitedApart, fullSort]

/** Work, and the trees that the statements of its stages were printed from. */
export interface LaidOutWork {
  readonly work: Work
  readonly trees: Readonly<Partial<Record<StageName, AstObject>>>
}

/** Lays out the work of a SELECT: split where that is provably the same, else whole. */
export async function planWork(
  session: DuckDBSession,
  select: SelectToWork,
  reads: readonly DatasetRead[],
  request: PlanRequest,
): Promise<LaidOutWork> {
  const names = new Map(reads.map((read) => [read.relation, read.dataset]))
  const bound = (tree: AstObject): Promise<boolean> => binds(session, tree)
  let node = select.node
  for (const change of soundChanges) node = await changedWhereBound(change, node, bound)
  const [sql = ''] = node === select.node ? [select.sql] : await session.print([node])
  const whole: Stage = { sql, columns: select.columns, operators: operatorsOf(select.node, names) }
  const asWhole = (why: string): LaidOutWork => ({ work: { shape: 'whole', whole, why }, trees: { whole: node } })
  if (request.tree === 'never') return asWhole('the request wants no tree')
  if (!select.repeatable) return asWhole('the statement does not repeat: random(), uuid() or a sample')
  if (reads.length === 0) return asWhole('no dataset is read')
  if (select.sql.length > splitCharactersMax) return asWhole('the statement is too long to be worth splitting')
  const context = splitContext(session, select, reads)
  const little = tooLittle(bytesOf(context.relations), request.tree)
  if (little !== undefined) return asWhole(little)
  const split = await splitSelect(select.node, context)
  if (split.shape === 'whole') return asWhole(split.why)
  try {
    // No LIMIT of a statement that splits is in a correlated subquery.
    const sound = (tree: AstObject): AstObject => soundChanges.reduce((made, change) => changedEverywhere(change, made), tree)
    const trees = { leaf: sound(split.leaf), merge: sound(split.merge), root: sound(split.root) }
    const texts = await session.print([trees.leaf, trees.merge, trees.root])
    const work = { ...splitWork(split, texts, names, select.columns), whole }
    return { work, trees: { whole: node, ...trees } }
  } catch (error) {
    // A split that does not bind is a defect of the splitter; the query need not suffer from it.
    return asWhole(`the split does not bind: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
  }
}

async function binds(session: DuckDBSession, tree: AstObject): Promise<boolean> {
  const [sql = ''] = await session.print([asBound(tree)])
  return session.boundPlan(sql).then(
    () => true,
    () => false,
  )
}

function splitWork(
  split: SplitTrees,
  [leafSql = '', mergeSql = '', rootSql = '']: readonly string[],
  names: ReadonlyMap<string, string>,
  answer: readonly Column[],
): Omit<Work & { shape: 'split' }, 'whole'> {
  const stage = (sql: string, columns: readonly Column[], tree: AstObject): Stage => ({
    sql,
    columns,
    operators: operatorsOf(tree, names),
  })
  const { partialRowsMax, partials } = split
  return {
    shape: 'split',
    why: split.why,
    distributed: split.distributed,
    broadcast: split.broadcast,
    rootReads: split.rootReads,
    leaf: stage(leafSql, partials, split.leaf),
    merge: stage(mergeSql, partials, split.merge),
    root: stage(rootSql, answer, split.root),
    partial: split.partial,
    ...(partialRowsMax === undefined ? {} : { partialRowsMax }),
    rootKeepsRows: givesNoMoreRows(split.root),
    exact: split.exact,
    groupColumns: split.groupColumns,
  }
}

function splitContext(session: DuckDBSession, select: SelectToWork, reads: readonly DatasetRead[]): SplitContext {
  const snapshots = new Map(select.relations.map(({ relation, snapshot }) => [relation, snapshot]))
  return {
    relations: sizesOf(select.relations, reads).map((size) => {
      const snapshot = snapshots.get(size.relation)
      return { ...size, dataset: snapshot?.dataset ?? '', columns: snapshot?.columns ?? [] }
    }),
    columns: select.columns,
    bind: async (selects) => {
      const texts = await session.print(selects.map(asBound))
      const [only = ''] = texts
      return texts.length === 1 ? [await session.describe(only)] : session.describeAll(texts)
    },
  }
}
