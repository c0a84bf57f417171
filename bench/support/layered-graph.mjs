/**
 * A lineage graph in batches for a store: layers of so many segments, each made of five of the layer before and processed by two
 * nodes, so about 7 · layers · width edges.
 */
export function* layeredGraph(layers, width) {
  for (let layer = 0; layer < layers; layer++) {
    for (let first = 0; first < width; first += 2000) yield layerBatch(layer, first, Math.min(width, first + 2000), width)
  }
}

function layerBatch(layer, first, last, width) {
  const vertices = []
  const edges = []
  const at = Date.now() * 1000
  const totals = { rows: 10, bytes: 1000, cpuMicros: 100, peakMemoryBytes: 1000, queueMicros: 1, transferMicros: 10 }
  const transformation = { type: 'aggregate', detail: 'sum(l_quantity) by l_returnflag', shape: 'fedcba9876543210' }
  const common = { transformation, firstAt: at, lastAt: at, count: 1, totals, days: [[Math.floor(at / 86_400_000_000), 1]] }
  for (let node = 1; node <= 8; node++) {
    vertices.push({ type: 'ProcessingNode', id: `n${node}`, kind: 'duckdb', roles: ['leaf'], host: '' })
  }
  for (let index = first; index < last; index++) {
    const id = `d-${layer}-${index}`
    vertices.push({
      type: 'DataSegment',
      id,
      kind: 'derived',
      dataset: null,
      version: null,
      rows: 10,
      bytes: 1000,
      location: '/spool',
    })
    for (let node = 0; node < 2; node++) {
      const to = `n${((index + node * 3) % 8) + 1}`
      edges.push({ ...common, from: id, to, type: 'PROCESSED_BY', sourceNode: 'n1', destinationNode: to })
    }
    for (let parent = 0; layer > 0 && parent < 5; parent++) {
      const from = `d-${layer - 1}-${(index * 31 + parent * 104_729) % width}`
      edges.push({ ...common, from, to: id, type: 'TRANSFORMED_INTO', sourceNode: 'n1', destinationNode: 'n2' })
    }
  }
  return { from: 0, to: 0, vertices, edges, folds: [] }
}
