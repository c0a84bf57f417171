/**
 * JanusGraph Server on BerkeleyDB, from Maven's registry. It needs JDK 17: on later ones its port opens, but every request fails,
 * so the probe asks a query. commons-lang3 is pinned (the version that Maven picks lacks a method), and without an SLF4J binding
 * the server ends silently.
 */
import gremlin from 'gremlin'

const version = '1.1.0'
const dependencies = [
  `org.janusgraph:janusgraph-server:${version}`,
  `org.janusgraph:janusgraph-berkeleyje:${version}`,
  'org.apache.commons:commons-lang3:3.17.0',
  'org.slf4j:slf4j-simple:1.7.36',
]
const jdk = { min: 17, max: 17 }

export const server = {
  name: 'janusgraph',
  about: `JanusGraph ${version} on BerkeleyDB`,
  ports: { gremlin: 18182 },
  readyMs: 180_000,

  async install(ctx) {
    ctx.java(jdk)
    await ctx.maven(dependencies)
    ctx.write('conf/janusgraph.properties', graph(ctx))
    ctx.write('conf/init.groovy', 'def globals = [:]\nglobals << [g : traversal().withEmbedded(graph)]\n')
    ctx.write('conf/server.yaml', configuration(ctx))
  },

  async start(ctx) {
    const classes = `${ctx.path('conf')}:${ctx.path('lib', '*')}`
    const main = ['org.janusgraph.graphdb.server.JanusGraphServer', ctx.path('conf/server.yaml')]
    ctx.spawn(ctx.java(jdk), ['-Xmx1g', '-XX:+UseG1GC', '-cp', classes, ...main])
  },

  async probe(ctx) {
    const client = new gremlin.driver.Client(this.urls(ctx).gremlin.replace('gremlin://', 'ws://').concat('/gremlin'), {})
    try {
      await client.open()
      await client.submit('g.V().limit(1).count()')
    } finally {
      await client.close()
    }
  },

  urls: (ctx) => ({ gremlin: `gremlin://127.0.0.1:${ctx.ports.gremlin}` }),
}

function graph(ctx) {
  return `gremlin.graph=org.janusgraph.core.JanusGraphFactory
storage.backend=berkeleyje
storage.directory=${ctx.path('data')}
schema.default=none
query.batch=true
`
}

function configuration(ctx) {
  const registry = '{ ioRegistries: [org.janusgraph.graphdb.tinkerpop.JanusGraphIoRegistry] }'
  const serializer = 'org.apache.tinkerpop.gremlin.util.ser'
  const plugin = 'org.apache.tinkerpop.gremlin'
  return `host: 127.0.0.1
port: ${ctx.ports.gremlin}
evaluationTimeout: 120000
channelizer: org.apache.tinkerpop.gremlin.server.channel.WsAndHttpChannelizer
graphManager: org.janusgraph.graphdb.management.JanusGraphManager
graphs: { graph: ${ctx.path('conf/janusgraph.properties')} }
scriptEngines:
  gremlin-groovy:
    plugins:
      org.janusgraph.graphdb.tinkerpop.plugin.JanusGraphGremlinPlugin: {}
      ${plugin}.server.jsr223.GremlinServerGremlinPlugin: {}
      ${plugin}.jsr223.ImportGremlinPlugin:
        classImports: [java.lang.Math]
        methodImports: ['java.lang.Math#*']
      ${plugin}.jsr223.ScriptFileGremlinPlugin:
        files: [${ctx.path('conf/init.groovy')}]
serializers:
  - { className: ${serializer}.GraphBinaryMessageSerializerV1, config: ${registry} }
  - { className: ${serializer}.GraphSONMessageSerializerV3, config: ${registry} }
maxContentLength: 33554432
`
}
