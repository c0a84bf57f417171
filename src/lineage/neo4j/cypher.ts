/**
 * The statements. What decides about their speed: vertices are found by a unique index; an edge is found among those of its two
 * ends by `key` (shape and nodes), never by a scan; all properties of an edge are read in one go (`properties(r)`), since each
 * single one would walk the record's chain again. Merging in Cypher adds, so a batch may come in any order; the offset is changed
 * in the same transaction, and the lock on its vertex keeps a second writer out until then.
 */
import type { LineageEdge } from '../lineage-store.js'

export const schema = [
  'CREATE CONSTRAINT forebay_segment_id IF NOT EXISTS FOR (s:DataSegment) REQUIRE s.id IS UNIQUE',
  'CREATE CONSTRAINT forebay_node_id IF NOT EXISTS FOR (n:ProcessingNode) REQUIRE n.id IS UNIQUE',
  'CREATE CONSTRAINT forebay_progress_name IF NOT EXISTS FOR (p:ForebayProgress) REQUIRE p.name IS UNIQUE',
  'CREATE INDEX forebay_segment_dataset IF NOT EXISTS FOR (s:DataSegment) ON (s.dataset)',
]

/** Reads the offset and keeps other writers waiting until the transaction ends. */
export const lockOffset = `MERGE (p:ForebayProgress {name: 'lineage'}) ON CREATE SET p.offset = 0
  SET p.appliedAt = datetime() RETURN p.offset AS offset`
export const readProgress = `MATCH (p:ForebayProgress {name: 'lineage'}) RETURN p.offset AS offset, p.clearing AS clearing`
export const setOffset = `MATCH (p:ForebayProgress {name: 'lineage'}) SET p.offset = $offset`
export const beginClear = `MERGE (p:ForebayProgress {name: 'lineage'}) SET p.offset = 0, p.clearing = true`
export const endClear = `MATCH (p:ForebayProgress {name: 'lineage'}) REMOVE p.clearing`
/** Edges go first: a vertex with a million of them would not fit into one transaction. */
export const clearSteps = [
  'MATCH (:DataSegment)-[r:PROCESSED_BY|TRANSFORMED_INTO]->() CALL { WITH r DELETE r } IN TRANSACTIONS OF 10000 ROWS',
  'MATCH (v:DataSegment|ProcessingNode) CALL { WITH v DELETE v } IN TRANSACTIONS OF 10000 ROWS',
]

const larger = (name: string): string =>
  `s.${name} = CASE WHEN s.${name} IS NULL OR s.${name} < v.${name} THEN v.${name} ELSE s.${name} END`

export const mergeSegments = `UNWIND $rows AS v MERGE (s:DataSegment {id: v.id})
  SET ${['kind', 'dataset', 'version', 'rows', 'bytes', 'location'].map(larger).join(', ')}`
export const mergeBareSegments = 'UNWIND $ids AS id MERGE (:DataSegment {id: id})'
export const mergeNodes = `UNWIND $rows AS v MERGE (s:ProcessingNode {id: v.id})
  SET ${['kind', 'host'].map(larger).join(', ')},
    s.roles = coalesce(s.roles, []) + [role IN v.roles WHERE NOT role IN coalesce(s.roles, [])]`
export const mergeBareNodes = 'UNWIND $ids AS id MERGE (:ProcessingNode {id: id})'

const added = ['count', 'rows', 'bytes', 'cpuMicros', 'queueMicros', 'transferMicros'] as const

/** Per-day counts are two lists side by side: `days` (epoch days) and `dayCounts`. */
export const mergeEdges = (type: LineageEdge['type'], target: string): string => `UNWIND $rows AS e
  MATCH (a:DataSegment {id: e.from}) MATCH (b:${target} {id: e.to})
  MERGE (a)-[r:${type} {key: e.key}]->(b)
  ON CREATE SET r = e.set, r.timestamp = datetime({epochMillis: e.set.lastAt / 1000})
  ON MATCH SET ${added.map((name) => `r.${name} = r.${name} + e.set.${name}`).join(', ')},
    r.firstAt = CASE WHEN e.set.firstAt < r.firstAt THEN e.set.firstAt ELSE r.firstAt END,
    r.lastAt = CASE WHEN e.set.lastAt > r.lastAt THEN e.set.lastAt ELSE r.lastAt END,
    r.timestamp = datetime({epochMillis: CASE WHEN e.set.lastAt > r.lastAt THEN e.set.lastAt ELSE r.lastAt END / 1000}),
    r.peakMemoryBytes = CASE WHEN e.set.peakMemoryBytes > r.peakMemoryBytes THEN e.set.peakMemoryBytes ELSE r.peakMemoryBytes END,
    r.transformationType =
      CASE WHEN e.set.transformationType < r.transformationType THEN e.set.transformationType ELSE r.transformationType END,
    r.transformationDetail =
      CASE WHEN e.set.transformationDetail < r.transformationDetail THEN e.set.transformationDetail ELSE r.transformationDetail END,
    r.dayCounts = [i IN range(0, size(r.days) - 1) | r.dayCounts[i] + coalesce(e.byDay[toString(r.days[i])], 0)]
      + [day IN e.set.days WHERE NOT day IN r.days | e.byDay[toString(day)]],
    r.days = r.days + [day IN e.set.days WHERE NOT day IN r.days]`

/** All edges of vertices that fold, then the vertices with them. */
export const edgesOf = `UNWIND $ids AS id MATCH (a:DataSegment {id: id})-[r:PROCESSED_BY|TRANSFORMED_INTO]->(b)
  RETURN a.id AS from, type(r) AS type, b.id AS to, properties(r) AS properties
  UNION UNWIND $ids AS id MATCH (a:DataSegment)-[r:TRANSFORMED_INTO]->(b:DataSegment {id: id})
  RETURN a.id AS from, type(r) AS type, b.id AS to, properties(r) AS properties`
export const removeVertices = 'UNWIND $ids AS id MATCH (s:DataSegment {id: id}) DETACH DELETE s'

export const findVertices = `UNWIND $segments AS id MATCH (v:DataSegment {id: id}) WHERE v.kind IS NOT NULL
  RETURN 'DataSegment' AS label, properties(v) AS properties
  UNION ALL UNWIND $nodes AS id MATCH (v:ProcessingNode {id: id}) WHERE v.kind IS NOT NULL
  RETURN 'ProcessingNode' AS label, properties(v) AS properties`

const edge = 'a.id AS from, b.id AS to, properties(r) AS properties'
const step = (kind: number, pattern: string, type: string): string =>
  `UNWIND $segments AS id MATCH ${pattern.replace('TYPE', type)} WHERE r.firstAt <= $asOf WITH a, r, b LIMIT $limit
   RETURN ${kind} AS kind, ${edge}`

/** The edges of one level in one statement: 0 processed by, 1 made into, 2 made of. */
export function levelOf(outgoing: boolean, incoming: boolean): string {
  const parts = [step(0, '(a:DataSegment {id: id})-[r:TYPE]->(b)', 'PROCESSED_BY')]
  if (outgoing) parts.push(step(1, '(a:DataSegment {id: id})-[r:TYPE]->(b)', 'TRANSFORMED_INTO'))
  if (incoming) parts.push(step(2, '(a)-[r:TYPE]->(b:DataSegment {id: id})', 'TRANSFORMED_INTO'))
  return parts.join(' UNION ALL ')
}

export const processedByNodes = `UNWIND $nodes AS id MATCH (a:DataSegment)-[r:PROCESSED_BY]->(b:ProcessingNode {id: id})
  WHERE r.firstAt <= $asOf WITH a, r, b LIMIT $limit RETURN ${edge}`

/** Segments by the sum of their uses' weights; folded ones stand for many and are left out. */
export const hottest = `MATCH (a:DataSegment)-[r:PROCESSED_BY]->() WHERE NOT a.id STARTS WITH 'd-folded-'
  WITH a, sum(reduce(sum = 0.0, i IN range(0, size(r.days) - 1) | sum + r.dayCounts[i] * coalesce($weights[toString(r.days[i])], 0.0)))
    AS hotness, sum(r.count) AS degree
  ORDER BY hotness DESC, a.id LIMIT $limit RETURN a.id AS id, a.dataset AS dataset, degree, hotness`

export const work = `UNWIND $segments AS id MATCH (a:DataSegment {id: id})-[r:PROCESSED_BY]->(b) RETURN ${edge}`
export const allSegments = 'MATCH (v:DataSegment) WHERE v.kind IS NOT NULL RETURN properties(v) AS properties'
export const allNodes = 'MATCH (v:ProcessingNode) WHERE v.kind IS NOT NULL RETURN properties(v) AS properties'
export const allEdges = `MATCH (a:DataSegment)-[r:PROCESSED_BY|TRANSFORMED_INTO]->(b) RETURN type(r) AS type, ${edge}`
