import type { ColumnDependency } from '../../model/lineage-event.js'

type Subtype = ColumnDependency['subtype']

/** What one value depends on: an immutable set of dependencies, at most one per (dataset, column, kind, subtype). */
export type Dependencies = ReadonlyMap<string, ColumnDependency>

export const nothing: Dependencies = new Map()

/** A value that is a dataset's column as it stands. */
export function identity(dataset: string, column: string): Dependencies {
  return of({ dataset, column, kind: 'DIRECT', subtype: 'IDENTITY' })
}

export function union(sets: readonly Dependencies[]): Dependencies {
  const filled = sets.filter((set) => set.size > 0)
  if (filled.length < 2) return filled[0] ?? nothing
  const all = new Map<string, ColumnDependency>()
  for (const set of filled) for (const [key, dependency] of set) all.set(key, dependency)
  return all
}

/** After a computation: what was taken as it stands is transformed now; what was aggregated stays so. */
export function transformed(set: Dependencies): Dependencies {
  return map(set, (dependency) =>
    dependency.kind === 'DIRECT' && dependency.subtype === 'IDENTITY' ? { ...dependency, subtype: 'TRANSFORMATION' } : dependency,
  )
}

/** After an aggregate. */
export function aggregated(set: Dependencies): Dependencies {
  return map(set, (dependency) => (dependency.kind === 'DIRECT' ? { ...dependency, subtype: 'AGGREGATION' } : dependency))
}

/** As something that decides which rows or which branch, without going into the value. Older indirect ways are kept. */
export function indirect(set: Dependencies, subtype: Subtype): Dependencies {
  return map(set, (dependency) => (dependency.kind === 'DIRECT' ? { ...dependency, kind: 'INDIRECT', subtype } : dependency))
}

function map(set: Dependencies, change: (dependency: ColumnDependency) => ColumnDependency): Dependencies {
  if (set.size === 0) return set
  const changed = new Map<string, ColumnDependency>()
  for (const dependency of set.values()) for (const [key, value] of of(change(dependency))) changed.set(key, value)
  return changed
}

function of(dependency: ColumnDependency): Dependencies {
  const { dataset, column, kind, subtype } = dependency
  return new Map([[`${dataset}\u0000${column}\u0000${kind}\u0000${subtype}`, dependency]])
}
