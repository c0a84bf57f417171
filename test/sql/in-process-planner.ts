import type { RelationDefinition } from '../../src/model/catalogue.js'
import type { ParameterValue, Plan, TreeMode } from '../../src/model/query.js'
import type { BaseSegment, Column, Snapshot } from '../../src/model/segment.js'
import { DuckDBSession } from '../../src/sql/duckdb-session.js'
import { StatementPlanner } from '../../src/sql/planner/plan-statement.js'
import { Definitions } from '../../src/sql/resolve/definitions.js'

interface Asked {
  readonly params?: Readonly<Record<string, ParameterValue>>
  readonly timeZone?: string
  readonly nowMs?: number
  readonly tree?: TreeMode
}

/** A planner without a process around it, and the definitions that it sees. */
export interface InProcessPlanner {
  readonly session: DuckDBSession
  readonly definitions: Definitions
  plan(sql: string, asked?: Asked): Promise<Plan>
}

export async function openInProcessPlanner(relations: readonly RelationDefinition[] = []): Promise<InProcessPlanner> {
  const session = await DuckDBSession.open()
  const definitions = new Definitions()
  for (const relation of relations) definitions.define(relation)
  const planner = new StatementPlanner(session, definitions, await session.functionNames())
  return {
    session,
    definitions,
    plan: async (sql, { params = {}, timeZone = 'UTC', nowMs = 1_790_000_000_123, tree = 'auto' } = {}) =>
      (await planner.plan({ sql, params, timeZone, nowMs, tree })).plan,
  }
}

/** A dataset of one segment for each given part, or of one without statistics. */
export function dataset(
  name: string,
  columns: Readonly<Record<string, string>>,
  parts: readonly Partial<BaseSegment>[] = [{}],
  partitionColumns: readonly string[] = [],
): RelationDefinition & { kind: 'dataset' } {
  const list: Column[] = Object.entries(columns).map(([column, type]) => ({ name: column, type }))
  const snapshot: Snapshot = {
    id: `${name}@1`,
    dataset: name,
    columns: list,
    partitionColumns,
    segments: parts.map((part, ordinal) => segment(name, ordinal, part)),
    mixedSchemas: false,
    createdAt: 0,
  }
  return { kind: 'dataset', snapshot }
}

function segment(name: string, ordinal: number, part: Partial<BaseSegment>): BaseSegment {
  return {
    id: `s-${name}-${ordinal}`,
    dataset: name,
    ordinal,
    file: { path: `/lake/${name}/${ordinal}.parquet`, size: 1, mtimeNs: '1', inode: '1', footerHash: '0000000000000000' },
    rows: 100,
    bytes: 1000,
    columnBytes: {},
    partition: {},
    statistics: {},
    ...part,
  }
}

export function view(name: string, sql: string): RelationDefinition {
  return { kind: 'view', name, sql }
}
