/**
 * The graph in tables. Names are interned as integers. Edges are clustered by their source, with a second index by their target,
 * so that one hop in either direction is one range of a B-tree; a row is about 100 bytes. `heat` repeats the per-day counts of
 * PROCESSED_BY edges by segment, so that the hottest segments are one scan over small rows.
 */
export const graphSchema = `
CREATE TABLE IF NOT EXISTS vertices (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT, dataset TEXT, version TEXT,
  rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, location TEXT, roles TEXT, host TEXT);
CREATE INDEX IF NOT EXISTS vertices_by_dataset ON vertices (dataset) WHERE dataset IS NOT NULL;
CREATE TABLE IF NOT EXISTS shapes (id INTEGER PRIMARY KEY, shape TEXT NOT NULL UNIQUE, type TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS edges (
  source INTEGER NOT NULL, kind INTEGER NOT NULL, target INTEGER NOT NULL, shape INTEGER NOT NULL,
  from_node INTEGER NOT NULL, to_node INTEGER NOT NULL,
  first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, count INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
  cpu INTEGER NOT NULL, peak INTEGER NOT NULL, queue INTEGER NOT NULL, transfer INTEGER NOT NULL, days TEXT NOT NULL,
  PRIMARY KEY (source, kind, target, shape, from_node, to_node)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS edges_by_target ON edges (target, kind);
CREATE TABLE IF NOT EXISTS heat (
  segment INTEGER NOT NULL, day INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (segment, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`

/** Edge kinds as stored. */
export const transformedInto = 0
export const processedBy = 1
