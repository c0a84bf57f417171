/**
 * What the log says besides the graph, beside the graph: known snapshots, where derived segments came from and whether they are
 * still there, what waits for what, answers, raw transfers and columns. One transaction with the graph, so the two never differ.
 */
export const indexSchema = `
CREATE TABLE IF NOT EXISTS segments (
  id TEXT PRIMARY KEY, dataset TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, columns TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS snapshots (id TEXT PRIMARY KEY, dataset TEXT NOT NULL, at INTEGER NOT NULL, segments TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS snapshots_by_dataset ON snapshots (dataset COLLATE NOCASE, at);
CREATE TABLE IF NOT EXISTS snapshot_returns (
  dataset TEXT NOT NULL COLLATE NOCASE, at INTEGER NOT NULL, snapshot TEXT NOT NULL, PRIMARY KEY (dataset, at, snapshot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS derived (
  id TEXT PRIMARY KEY, template TEXT NOT NULL, role TEXT NOT NULL, snapshots TEXT NOT NULL, parents TEXT NOT NULL,
  made_at INTEGER NOT NULL, dataset TEXT, evicted_at INTEGER, folded TEXT, seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS derived_by_seen ON derived (seen) WHERE folded IS NOT NULL;
CREATE TABLE IF NOT EXISTS waiting (
  key TEXT NOT NULL, offset INTEGER NOT NULL, segment TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (key, offset, segment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
  query TEXT NOT NULL, rank INTEGER NOT NULL, segment TEXT NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (query, rank, segment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writes (query TEXT NOT NULL, offset INTEGER NOT NULL, written INTEGER NOT NULL, PRIMARY KEY (query, offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfers (
  id INTEGER PRIMARY KEY, offset INTEGER NOT NULL, segment TEXT NOT NULL, query TEXT, source TEXT NOT NULL, destination TEXT NOT NULL,
  via TEXT NOT NULL, bytes INTEGER NOT NULL, rows INTEGER NOT NULL, micros INTEGER NOT NULL, at INTEGER NOT NULL, high INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS transfers_by_segment ON transfers (segment);
CREATE INDEX IF NOT EXISTS transfers_by_query ON transfers (query) WHERE query IS NOT NULL;
CREATE TABLE IF NOT EXISTS columns (
  dataset TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE, from_dataset TEXT NOT NULL COLLATE NOCASE,
  from_name TEXT NOT NULL COLLATE NOCASE, kind TEXT NOT NULL, subtype TEXT NOT NULL,
  first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (dataset, name, from_dataset, from_name, kind, subtype)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS columns_by_input ON columns (from_dataset, from_name);
CREATE TABLE IF NOT EXISTS set_aside (offset INTEGER PRIMARY KEY, reason TEXT NOT NULL);
`

/** Tables of the index that a checkpoint carries, with their keys; raw transfers are made again from events that are still in the log. */
export const indexTables = [
  { table: 'segments', key: ['id'] },
  { table: 'snapshots', key: ['rowid'] },
  { table: 'snapshot_returns', key: ['dataset', 'at', 'snapshot'] },
  { table: 'derived', key: ['id'] },
  { table: 'waiting', key: ['key', 'offset', 'segment'] },
  { table: 'results', key: ['query', 'rank', 'segment'] },
  { table: 'writes', key: ['query', 'offset'] },
  { table: 'columns', key: ['dataset', 'name', 'from_dataset', 'from_name', 'kind', 'subtype'] },
  { table: 'set_aside', key: ['offset'] },
] as const
