/** The arrows of the architecture: which room may import which. `npm run check:arrows` holds them, and so does test/architecture. */
const room = (name) => `^src/${name}/`
const only = (name, allowed) => ({
  name: `${name}-imports-only-${allowed.join('-') || 'nothing'}`,
  severity: 'error',
  from: { path: room(name) },
  to: { path: '^src/', pathNot: [name, ...allowed].map(room) },
})

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
