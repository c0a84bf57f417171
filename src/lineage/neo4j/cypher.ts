/**
 * The statements. What decides about their speed: vertices are found by a unique index; an edge is found among those of its two
 * ends by `key` (shape and nodes), never by a scan; all properties of an edge are read in one go (`properties(r)`), since each
 * single one would walk the record's chain again, and its numbers leave as one text. Merging in Cypher adds, so a batch may come in any order; the offset is changed
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
export const readProgress = `MATCH (p:ForebayProgress {name: 'lineage'}) RETURN p.offset AS offset, p.clearing AS clearing, p.origin AS origin`
export const setOffset = `MATCH (p:ForebayProgress {name: 'lineage'}) SET p.offset = $offset`
export const beginClear = `MERGE (p:ForebayProgress {name: 'lineage'}) SET p.offset = 0, p.clearing = true, p.origin = $origin`
export const endClear = `MATCH (p:ForebayProgress {name: 'lineage'}) REMOVE p.clearing`
/** Edges go first: a vertex with a million of them would not fit into one transaction. */
export const clearSteps = [
  'MATCH (:DataSegment)-[r:PROCESSED_BY|TRANSFORMED_INTO]->() CALL { WITH r DELETE r } IN TRANSACTIONS OF 10000 ROWS',
  'MATCH (v:DataSegment|ProcessingNode) CALL { WITH v DELETE v } IN TRANSACTIONS OF 10000 ROWS',
]

/**
 * Rows come as one text of numbers, since the driver takes microseconds for each single value that it packs: rows apart by `;`,
 * fields by a blank, and a field that is text is its place in `$strings` (place 0 is null).
 */
const rows = (names: readonly string[]): string =>
  `UNWIND split($rows, ';') AS line WITH split(line, ' ') AS e WITH e, ${names.map((name, at) => `${place(at)} AS ${name}`).join(', ')}`
const place = (at: number): string => `$strings[toInteger(e[${at}])]`

const larger = (name: string, value: string): string =>
  `v.${name} = CASE WHEN v.${name} IS NULL OR v.${name} < ${value} THEN ${value} ELSE v.${name} END`

export const mergeSegments = `${rows(['id', 'kind', 'dataset', 'version', 'location'])} MERGE (v:DataSegment {id: id})
  SET ${['kind', 'dataset', 'version', 'location'].map((name) => larger(name, name)).join(', ')},
    ${larger('rows', 'toInteger(e[5])')}, ${larger('bytes', 'toInteger(e[6])')}`
export const mergeBareSegments = 'UNWIND $ids AS id MERGE (:DataSegment {id: id})'
export const mergeNodes = `UNWIND $rows AS n MERGE (v:ProcessingNode {id: n.id})
  SET ${larger('kind', 'n.kind')}, ${larger('host', 'n.host')},
    v.roles = coalesce(v.roles, []) + [role IN n.roles WHERE NOT role IN coalesce(v.roles, [])]`
export const mergeBareNodes = 'UNWIND $ids AS id MERGE (:ProcessingNode {id: id})'

/** Fields of an edge's row that are text, and then numbers, in the order in which `edgeRows` writes them. */
const edgeTexts = ['fromId', 'toId', 'key', 'transformationType', 'transformationDetail', 'transformationShape']
const edgeNodes = ['sourceNode', 'destinationNode']
const added = ['count', 'rows', 'bytes', 'cpuMicros', 'queueMicros', 'transferMicros']
const edgeNumbers = ['firstAt', 'lastAt', 'peakMemoryBytes', ...added]
const numberAt = (name: string): string => `toInteger(e[${8 + edgeNumbers.indexOf(name)}])`
const chosen = (name: string, sign: '<' | '>', value: string): string =>
  `r.${name} = CASE WHEN ${value} ${sign} r.${name} THEN ${value} ELSE r.${name} END`

/** Sums of rows and bytes stop where they are exact numbers no more, as in the other stores. */
function sumOf(name: string): string {
  const sum = `r.${name} + ${numberAt(name)}`
  if (name !== 'rows' && name !== 'bytes') return sum
  return `CASE WHEN ${sum} > ${Number.MAX_SAFE_INTEGER} THEN ${Number.MAX_SAFE_INTEGER} ELSE ${sum} END`
}

/** A list of whole numbers; an empty text is one of none. */
const numbersIn = (text: string): string => `[n IN split(${text}, ',') WHERE n <> '' | toInteger(n)]`

/** Per-day counts are two lists side by side: `days` (epoch days) and `dayCounts`. */
export const mergeEdges = (type: LineageEdge['type'], target: string): string => `${rows([...edgeTexts, ...edgeNodes])},
    e[17] AS timestamp, ${numbersIn('e[18]')} AS days, ${numbersIn('e[19]')} AS dayCounts
  MATCH (a:DataSegment {id: fromId}) MATCH (b:${target} {id: toId})
  MERGE (a)-[r:${type} {key: key}]->(b)
  ON CREATE SET r = {key: key, ${[...edgeTexts.slice(3), ...edgeNodes].map((name) => `${name}: ${name}`).join(', ')},
    ${edgeNumbers.map((name) => `${name}: ${numberAt(name)}`).join(', ')}, timestamp: timestamp, days: days, dayCounts: dayCounts}
  ON MATCH SET ${added.map((name) => `r.${name} = ${sumOf(name)}`).join(', ')},
    ${chosen('firstAt', '<', numberAt('firstAt'))}, ${chosen('lastAt', '>', numberAt('lastAt'))},
    ${chosen('peakMemoryBytes', '>', numberAt('peakMemoryBytes'))}, ${chosen('timestamp', '>', 'timestamp')},
    ${['transformationType', 'transformationDetail'].map((name) => chosen(name, '<', name)).join(', ')},
    r.dayCounts = [i IN range(0, size(r.days) - 1) | r.dayCounts[i] +
        reduce(more = 0, j IN range(0, size(days) - 1) | more + CASE WHEN days[j] = r.days[i] THEN dayCounts[j] ELSE 0 END)]
      + [j IN range(0, size(days) - 1) WHERE NOT days[j] IN r.days | dayCounts[j]],
    r.days = r.days + [day IN days WHERE NOT day IN r.days]`

const numbersRead = [
  'firstAt',
  'lastAt',
  'count',
  'rows',
  'bytes',
  'cpuMicros',
  'peakMemoryBytes',
  'queueMicros',
  'transferMicros',
]
const listed = (name: string): string => `reduce(text = '', d IN p.${name} | text + d + ',')`
const textsRead = ['transformationType', 'transformationDetail', 'transformationShape', ...edgeNodes]
/** An edge as a list: its ends, five texts, and all numbers as one text. */
const edge = `[p IN [properties(r)] | [a.id, b.id, ${textsRead.map((name) => `p.${name}`).join(', ')},
  ${[...numbersRead.map((name) => `p.${name}`), listed('days'), listed('dayCounts')].join(" + ' ' + ")}]][0] AS edge`

/** All edges of vertices that fold, then the vertices with them. */
export const edgesOf = `UNWIND $ids AS id MATCH (a:DataSegment {id: id})-[r:PROCESSED_BY|TRANSFORMED_INTO]->(b)
  RETURN type(r) AS type, ${edge}
  UNION UNWIND $ids AS id MATCH (a:DataSegment)-[r:TRANSFORMED_INTO]->(b:DataSegment {id: id})
  RETURN type(r) AS type, ${edge}`
export const removeVertices = 'UNWIND $ids AS id MATCH (s:DataSegment {id: id}) DETACH DELETE s'

export const findVertices = `UNWIND $segments AS id MATCH (v:DataSegment {id: id}) WHERE v.kind IS NOT NULL
  RETURN 'DataSegment' AS label, properties(v) AS properties
  UNION ALL UNWIND $nodes AS id MATCH (v:ProcessingNode {id: id}) WHERE v.kind IS NOT NULL
  RETURN 'ProcessingNode' AS label, properties(v) AS properties`

const step = (kind: number, pattern: string, type: string): string =>
  `UNWIND $segments AS id MATCH ${pattern.replace('TYPE', type)} WHERE r.firstAt <= $asOf WITH a, r, b LIMIT $limit
   WITH ${edge} RETURN ${kind} AS kind, collect(edge) AS edges`

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
