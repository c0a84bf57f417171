/** The arrows of the architecture: which room may import which. `npm run check:arrows` holds them, and so does test/architecture. */
const room = (name) => `^src/${name}/`
const only = (name, allowed) => ({
  name: `${name}-imports-only-${allowed.join('-') || 'nothing'}`,
  severity: 'error',
  from: { path: room(name) },
  to: { path: '^src/', pathNot: [name, ...allowed].map(room) },
})

/** Floors of one room, the lowest first: what stands on one imports nothing from those above it. */
const floors = (name, folders) =>
  folders.slice(0, -1).map((folder, index) => ({
    name: `${name}-${folder.replaceAll('|', '-')}-imports-nothing-above`,
    severity: 'error',
    from: { path: `^src/${name}/(${folder})/` },
    to: { path: `^src/${name}/(${folders.slice(index + 1).join('|')})/` },
  }))

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^src/' }, to: {} },
    only('model', []),
    only('sql', ['model']),
    only('catalog', ['model']),
    only('transfer', ['model']),
    only('node', ['model', 'transfer', 'queue']),
    only('lineage', ['model']),
    only('predict', ['model']),
    only('queue', ['model']),
    only('allocate', ['model', 'predict']),
    ...floors('lineage', ['log', 'graph', 'sqlite|neo4j|janusgraph|export', 'projection', 'remote', 'recorder|reader']),
    ...floors('engine/embedded', ['tasks', 'run', 'nodes', 'write|kept']),
    {
      name: 'scheduler-imports-ports-only',
      severity: 'error',
      from: { path: room('scheduler') },
      to: { path: '^src/(node|server|cli|engine|queue/[^/]+/|lineage/[^/]+/|allocate/[^/]+/)' },
    },
    {
      name: 'duckdb-stays-out-of-the-coordinator',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/sql/', '^src/node/', '^src/transfer/', '^src/cli/'] },
      to: { path: '@duckdb/node-api' },
    },
    {
      name: 'cli-sees-http',
      severity: 'error',
      from: { path: room('cli'), pathNot: '^src/cli/(serve|evaluate|learn|demo|doctor)(/|\\.ts$)' },
      to: { path: '^src/(?!cli/|model/|lineage/render-tree)' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.js'] },
  },
}
