/**
 * What other programs reported, in tables beside the graph: jobs, datasets and their facets, runs, who reads and writes what, and
 * columns. Written in one transaction with the graph, and, like it, a function of the set of events: times are the least and the
 * greatest, facets those of the latest event that has them (`at`, and at equal times the greater text, decides).
 *
 * Times are texts of one length (see event-time.ts). `changed` is the log's offset of the last event that concerned a row, so that
 * a reader knows which of its copies are old; `offsets` are the places of a run's events in the log, which has all that they say. The text of a facet is as it was sent, kept once
 * however many have it; '' stands for one that was deleted.
 */
export const catalogueSchema = `
CREATE TABLE IF NOT EXISTS ol_datasets (
  id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
  modified TEXT, changed INTEGER NOT NULL, UNIQUE (namespace, name));
CREATE TABLE IF NOT EXISTS ol_jobs (
  id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
  parent TEXT, changed INTEGER NOT NULL, UNIQUE (namespace, name));
CREATE TABLE IF NOT EXISTS ol_facets (
  kind INTEGER NOT NULL, owner INTEGER NOT NULL, name TEXT NOT NULL, at TEXT NOT NULL, text INTEGER NOT NULL,
  PRIMARY KEY (kind, owner, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ol_texts (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ol_flows (
  id INTEGER PRIMARY KEY, job INTEGER NOT NULL, dataset INTEGER NOT NULL, written INTEGER NOT NULL,
  UNIQUE (job, written, dataset));
CREATE INDEX IF NOT EXISTS ol_flows_by_dataset ON ol_flows (dataset, written, job);
CREATE TABLE IF NOT EXISTS ol_runs (
  id TEXT PRIMARY KEY, job INTEGER NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL, started TEXT, state TEXT NOT NULL,
  parent TEXT, graph TEXT NOT NULL, offsets TEXT NOT NULL, changed INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ol_runs_by_job ON ol_runs (job, created, id);
CREATE INDEX IF NOT EXISTS ol_runs_by_parent ON ol_runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX IF NOT EXISTS ol_runs_by_change ON ol_runs (changed);
CREATE TABLE IF NOT EXISTS ol_column_sets (
  dataset INTEGER NOT NULL, job INTEGER NOT NULL, at TEXT NOT NULL, PRIMARY KEY (dataset, job)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ol_columns (
  dataset INTEGER NOT NULL, field TEXT NOT NULL, job INTEGER NOT NULL, from_dataset INTEGER NOT NULL, from_field TEXT NOT NULL,
  kind TEXT NOT NULL, subtype TEXT NOT NULL, description TEXT NOT NULL, masking INTEGER NOT NULL,
  PRIMARY KEY (dataset, field, job, from_dataset, from_field, kind, subtype, description, masking)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ol_columns_by_input ON ol_columns (from_dataset, from_field);
CREATE INDEX IF NOT EXISTS ol_columns_by_job ON ol_columns (dataset, job);
CREATE TABLE IF NOT EXISTS ol_symlinks (
  dataset INTEGER NOT NULL, alias INTEGER NOT NULL, PRIMARY KEY (dataset, alias)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ol_symlinks_by_alias ON ol_symlinks (alias);
CREATE TABLE IF NOT EXISTS ol_cleared (one INTEGER PRIMARY KEY, times INTEGER NOT NULL);
`

/** The tables with their keys, for checkpoints. */
export const catalogueTables = [
  { table: 'ol_datasets', key: ['id'] },
  { table: 'ol_jobs', key: ['id'] },
  { table: 'ol_facets', key: ['kind', 'owner', 'name'] },
  { table: 'ol_texts', key: ['id'] },
  { table: 'ol_flows', key: ['id'] },
  { table: 'ol_runs', key: ['id'] },
  { table: 'ol_column_sets', key: ['dataset', 'job'] },
  {
    table: 'ol_columns',
    key: ['dataset', 'field', 'job', 'from_dataset', 'from_field', 'kind', 'subtype', 'description', 'masking'],
  },
  { table: 'ol_symlinks', key: ['dataset', 'alias'] },
] as const

/** Values of `ol_facets.kind`. */
export const datasetFacets = 0
export const jobFacets = 1

/** The column that stands for a whole dataset: what concerns all of its rows, such as a filter. */
export const everyField = ''

/** The job of a row that no job told of. */
export const noJob = 0
