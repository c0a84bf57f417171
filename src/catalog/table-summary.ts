import type { RelationDefinition, TableSummary } from '../model/catalogue.js'

/** One line of the list of tables. */
export function summarize(definition: RelationDefinition, written: boolean, note?: string): TableSummary {
  const nothing = { columns: [], partitionColumns: [], segments: 0, rows: 0, bytes: 0, ...(note === undefined ? {} : { note }) }
  switch (definition.kind) {
    case 'view':
      return { ...nothing, name: definition.name, kind: 'view', sql: definition.sql }
    case 'broken':
      return { ...nothing, name: definition.name, kind: 'broken', error: definition.error }
    case 'dataset': {
      const { snapshot } = definition
      return {
        ...nothing,
        name: snapshot.dataset,
        kind: written ? 'written' : 'discovered',
        columns: snapshot.columns,
        partitionColumns: snapshot.partitionColumns,
        snapshot: snapshot.id,
        segments: snapshot.segments.length,
        rows: snapshot.segments.reduce((sum, segment) => sum + segment.rows, 0),
        bytes: snapshot.segments.reduce((sum, segment) => sum + segment.bytes, 0),
        createdAt: snapshot.createdAt,
      }
    }
  }
}
