/**
 * The scripts that the server runs. One script is one transaction: it commits when it ends and rolls back when it throws. A batch
 * comes as one JSON text, since longs and maps do not survive as bindings. What decides about the speed: all vertices of a batch
 * are found by one index query; an edge is found through `edgeKey`, the sort key of its label, and its other end, which is one
 * short range of the store however many edges a vertex has. The names `label key element edge property vertex` are reserved in
 * JanusGraph, and `id` is its own, hence `segmentId`, `nodeId`, `edgeKey`.
 */

/** Makes what is not there yet. Property keys are made before labels, and indexes in the transaction that makes their keys. */
export const makeSchema = `
graph.tx().rollback()
def m = graph.openManagement()
def keyOf = { String name, Class type ->
  m.getPropertyKey(name) ?: m.makePropertyKey(name).dataType(type).cardinality(org.janusgraph.core.Cardinality.SINGLE).make()
}
['kind', 'dataset', 'version', 'location', 'host', 'roles', 'transformationType', 'transformationDetail', 'transformationShape',
  'sourceNode', 'destinationNode', 'days'].each { keyOf(it, String.class) }
['rows', 'bytes', 'firstAt', 'lastAt', 'count', 'cpuMicros', 'peakMemoryBytes', 'queueMicros', 'transferMicros',
  'forebayOffset'].each { keyOf(it, Long.class) }
m.setConsistency(m.getPropertyKey('forebayOffset'), org.janusgraph.core.schema.ConsistencyModifier.LOCK)
keyOf('forebayOrigin', String.class)
keyOf('timestamp', Date.class)
keyOf('forebayClearing', Boolean.class)
['segmentId', 'nodeId', 'forebayProgress'].each { name ->
  def made = keyOf(name, String.class)
  if (m.getGraphIndex('by' + name.capitalize()) == null) {
    m.buildIndex('by' + name.capitalize(), org.apache.tinkerpop.gremlin.structure.Vertex.class).addKey(made).unique().buildCompositeIndex()
  }
}
def edgeKey = keyOf('edgeKey', String.class)
['DataSegment', 'ProcessingNode', 'ForebayProgress'].each { m.getVertexLabel(it) ?: m.makeVertexLabel(it).make() }
['PROCESSED_BY', 'TRANSFORMED_INTO'].each { m.getEdgeLabel(it) ?: m.makeEdgeLabel(it).sortKey(edgeKey).make() }
m.commit()
def p = graph.traversal().V().has('forebayProgress', 'lineage').tryNext().orElse(null)
if (p == null) {
  p = graph.addVertex(org.apache.tinkerpop.gremlin.structure.T.label, 'ForebayProgress')
  p.property('forebayProgress', 'lineage')
  p.property('forebayOffset', 0L)
}
p.property('forebayClearing').orElse(false) ? p.property('forebayOrigin').orElse('') : 'whole'
`

const progress = `def progress = graph.traversal().V().has('forebayProgress', 'lineage').next()`

export const readOffset = `${progress}
progress.value('forebayOffset').toString()`

export const readOrigin = `${progress}
progress.property('forebayOrigin').orElse('')`

/** Finds the vertices of some names; those that are missing are made. */
const vertexFinder = `
def found = { String name, String vertexLabel, Collection names ->
  def byName = [:]
  if (names.isEmpty()) return byName
  graph.traversal().V().has(name, org.apache.tinkerpop.gremlin.process.traversal.P.within(names)).each { byName[it.value(name)] = it }
  byName
}
def made = new HashSet()
def all = { String name, String vertexLabel, Collection names ->
  def byName = found(name, vertexLabel, names)
  names.each {
    if (byName[it] == null) {
      def v = graph.addVertex(org.apache.tinkerpop.gremlin.structure.T.label, vertexLabel)
      v.property(name, it)
      byName[it] = v
      made.add(it)
    }
  }
  byName
}
`

/** An edge as a list: from, type, to, transformation type, detail, shape, source, destination, first, last, nine sums, days. */
const edgeValues = `
def edgeValues = { e -> [e.outVertex().value('segmentId'), e.label(), e.label() == 'PROCESSED_BY' ? e.inVertex().value('nodeId') : e.inVertex().value('segmentId'),
  e.value('transformationType'), e.value('transformationDetail'), e.value('transformationShape'), e.value('sourceNode'),
  e.value('destinationNode'), e.value('firstAt'), e.value('lastAt'), e.value('count'), e.value('rows'), e.value('bytes'),
  e.value('cpuMicros'), e.value('peakMemoryBytes'), e.value('queueMicros'), e.value('transferMicros'), e.value('days')] }
`
const toJson = `groovy.json.JsonOutput.toJson`
const direction = 'org.apache.tinkerpop.gremlin.structure.Direction'

/** Reads the offset, and in the same transaction the edges of vertices that fold. The vertices go away with the batch itself. */
export const edgesOfFolding = `${edgeValues}
def ids = new groovy.json.JsonSlurper().parseText(text)
def seen = new HashSet()
def edges = []
ids.each { id ->
  graph.traversal().V().has('segmentId', id).each { v ->
    v.edges(${direction}.BOTH, 'PROCESSED_BY', 'TRANSFORMED_INTO').each { if (seen.add(it.id())) edges << edgeValues(it) }
  }
}
${toJson}(edges)`

/**
 * Applies a batch; answers the offset that it found. The offset is compared and written in the same transaction, by a part of a
 * checkpoint too: it is locked, so of two that found the same (one was given up by who sent it, and goes on) only one commits.
 */
export const applyBatch = `
def batch = new groovy.json.JsonSlurper().parseText(text)
${progress}
long offset = progress.value('forebayOffset')
if (batch.expected != offset) return offset.toString()
${vertexFinder}
batch.folded.each { id -> graph.traversal().V().has('segmentId', id).each { it.remove() } }
def seen = new HashSet()
def segments = all('segmentId', 'DataSegment', batch.segmentNames)
def nodes = all('nodeId', 'ProcessingNode', batch.nodeNames)
def larger = { v, boolean isNew, String name, value ->
  if (value == null) return
  if (value instanceof Number) value = ((Number) value).longValue()
  if (isNew) {
    v.property(name, value)
    return
  }
  def p = v.property(name)
  if (!p.isPresent() || p.value() < value) v.property(name, value)
}
def described = ['kind', 'dataset', 'version', 'rows', 'bytes', 'location']
for (row in batch.segments) {
  def v = segments[row[0]]
  // A second row of the same name must be compared with the first.
  boolean isNew = made.contains(row[0]) && seen.add(row[0])
  for (int i = 0; i < 6; i++) larger(v, isNew, described[i], row[i + 1])
}
for (row in batch.nodes) {
  def v = nodes[row[0]]
  larger(v, false, 'kind', row[1])
  larger(v, false, 'host', row[2])
  def known = v.property('roles').orElse('')
  def roles = (known.tokenize(' ') + row[3]).toUnique().toSorted().join(' ')
  if (known != roles) v.property('roles', roles)
}
def joinDays = { String a, String b ->
  if (a.isEmpty() || b.isEmpty()) return a + b
  int split = a.lastIndexOf(' ')
  String last = a.substring(split + 1)
  if (b.indexOf(' ') < 0 && last.substring(0, last.indexOf(':')) == b.substring(0, b.indexOf(':')))
    return a.substring(0, split + 1) + last.substring(0, last.indexOf(':') + 1) +
      ((last.substring(last.indexOf(':') + 1) as long) + (b.substring(b.indexOf(':') + 1) as long))
  def counts = new TreeMap()
  [a, b].each { it.tokenize(' ').each { day ->
    int colon = day.indexOf(':')
    int number = day.substring(0, colon) as int
    counts[number] = (counts[number] ?: 0L) + (day.substring(colon + 1) as long)
  } }
  counts.collect { it.key + ':' + it.value }.join(' ')
}
for (row in batch.edges) {
  for (int i = 0; i < 8; i++) row[i] = batch.texts[row[i]]
  String type = row[1]
  def a = segments[row[0]]
  def b = type == 'PROCESSED_BY' ? nodes[row[2]] : segments[row[2]]
  String edgeKey = row[5] + ' ' + row[6] + ' ' + row[7]
  def old = null
  if (!made.contains(row[0]) && !made.contains(row[2])) {
    def hits = a.query().direction(${direction}.OUT).labels(type).has('edgeKey', edgeKey).adjacent(b).edges().iterator()
    if (hits.hasNext()) old = hits.next()
  }
  String transformationType = row[3], detail = row[4], days = row[17]
  long firstAt = row[8], lastAt = row[9], count = row[10], rows = row[11], bytes = row[12], cpu = row[13], peak = row[14],
    queue = row[15], transfer = row[16]
  if (old != null) {
    if (old.value('transformationType') < transformationType) transformationType = old.value('transformationType')
    if (old.value('transformationDetail') < detail) detail = old.value('transformationDetail')
    firstAt = Math.min(firstAt, old.value('firstAt'))
    lastAt = Math.max(lastAt, old.value('lastAt'))
    count += old.value('count')
    rows = Math.min(${Number.MAX_SAFE_INTEGER}L, rows + old.value('rows'))
    bytes = Math.min(${Number.MAX_SAFE_INTEGER}L, bytes + old.value('bytes'))
    cpu += old.value('cpuMicros')
    peak = Math.max(peak, old.value('peakMemoryBytes'))
    queue += old.value('queueMicros')
    transfer += old.value('transferMicros')
    days = joinDays(old.value('days'), days)
    // One new edge in place of eleven changes, of which each would look for the edge again.
    old.remove()
  }
  a.addEdge(type, b, 'edgeKey', edgeKey, 'transformationType', transformationType, 'transformationDetail', detail,
    'transformationShape', row[5], 'sourceNode', row[6], 'destinationNode', row[7], 'firstAt', firstAt, 'lastAt', lastAt,
    'timestamp', new Date(Math.floorDiv(lastAt, 1000L)), 'count', count, 'rows', rows, 'bytes', bytes, 'cpuMicros', cpu,
    'peakMemoryBytes', peak, 'queueMicros', queue, 'transferMicros', transfer, 'days', days)
}
progress.property('forebayOffset', batch.to == null ? offset : batch.to as long)
offset.toString()
`

const vertexValues = `
def vertexValues = { v -> v.label() == 'DataSegment'
  ? [v.value('segmentId'), v.value('kind'), v.property('dataset').orElse(null), v.property('version').orElse(null),
     v.property('rows').orElse(0L), v.property('bytes').orElse(0L), v.property('location').orElse(null)]
  : [v.value('nodeId'), v.value('kind'), v.property('host').orElse(''), v.property('roles').orElse('')] }
`
/** A second `has` is not covered by the index: it would compare each vertex with all the names, 4 s for 690 of them. */
export const findVertices = `${vertexValues}
def asked = new groovy.json.JsonSlurper().parseText(text)
def found = []
[['segmentId', asked.segments], ['nodeId', asked.nodes]].each { name, names ->
  if (names.isEmpty()) return
  graph.traversal().V().has(name, org.apache.tinkerpop.gremlin.process.traversal.P.within(names))
    .each { if (it.property('kind').isPresent()) found << [it.label(), vertexValues(it)] }
}
${toJson}(found)`

/** Edges of the vertices of a level, by direction and type; at most \`limit\` of each kind. */
export const levelEdges = `${edgeValues}
def asked = new groovy.json.JsonSlurper().parseText(text)
def vertices = []
if (!asked.names.isEmpty()) {
  graph.traversal().V().has(asked.name, org.apache.tinkerpop.gremlin.process.traversal.P.within(asked.names)).each { vertices << it }
}
def kinds = []
asked.kinds.each { kind ->
  def edges = []
  def side = kind[0] == 'out' ? ${direction}.OUT : ${direction}.IN
  for (v in vertices) {
    if (edges.size() >= asked.limit) break
    def it = v.edges(side, kind[1])
    while (it.hasNext() && edges.size() < asked.limit) {
      def e = it.next()
      if (e.value('firstAt') <= asked.asOf) edges << edgeValues(e)
    }
  }
  kinds << edges
}
${toJson}(kinds)`

/** Per-day counts of all segments' uses, summed; folded ones stand for many and are left out. */
export const hottest = `
def weights = new groovy.json.JsonSlurper().parseText(text)
int limit = asked
def sums = []
graph.traversal().V().hasLabel('DataSegment').each { v ->
  String id = v.property('segmentId').orElse('d-folded-')
  if (id.startsWith('d-folded-')) return
  long degree = 0
  double hotness = 0
  v.edges(${direction}.OUT, 'PROCESSED_BY').each { e ->
    degree += e.value('count')
    e.value('days').tokenize(' ').each { day ->
      int colon = day.indexOf(':')
      hotness += (day.substring(colon + 1) as long) * (weights[day.substring(0, colon)] ?: 0.0d)
    }
  }
  if (degree > 0) sums << [id, v.property('dataset').orElse(null), degree, hotness]
}
sums.sort { a, b -> b[3] <=> a[3] ?: a[0] <=> b[0] }
${toJson}(sums.take(limit))`

export const allVertices = `${vertexValues}
graph.traversal().V().hasLabel('DataSegment', 'ProcessingNode').has('kind').map { def v = it.get(); ${toJson}([v.label(), vertexValues(v)]) }`
export const allEdges = `${edgeValues}
graph.traversal().V().hasLabel('DataSegment').outE('PROCESSED_BY', 'TRANSFORMED_INTO').map { ${toJson}(edgeValues(it.get())) }`

export const beginClear = `${progress}
progress.property('forebayOffset', 0L)
progress.property('forebayClearing', true)
progress.property('forebayOrigin', origin)
true`
/** Removes some vertices with their edges; answers how many. */
export const clearStep = `
int removed = 0
graph.traversal().V().hasLabel('DataSegment', 'ProcessingNode').limit(1000).toList().each { it.remove(); removed++ }
removed`
export const endClear = `${progress}
progress.properties('forebayClearing').each { it.remove() }
true`
