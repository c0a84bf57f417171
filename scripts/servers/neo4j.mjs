/**
 * Neo4j Community from Maven's registry: 5.26 on JDK 17 (`neo4j`), and the current series on JDK 21 or later (`neo4j-2026`).
 * Bolt takes plain and TLS connections alike; the certificate is its own, so clients come by `bolt+ssc://` or trust `cert/`.
 */
import { existsSync } from 'node:fs'
import neo4j from 'neo4j-driver'

const user = 'neo4j'
const versions = [
  { name: 'neo4j', version: '5.26.30', bolt: 17687, jdk: { min: 17, max: 17 }, main: 'org.neo4j.server.CommunityEntryPoint' },
  { name: 'neo4j-2026', version: '2026.08.1', bolt: 17688, jdk: { min: 21 }, main: 'org.neo4j.server.Neo4jCommunity' },
]

export const servers = versions.map(({ name, version, bolt, jdk, main }) => ({
  name,
  about: `Neo4j Community ${version}`,
  ports: { bolt },
  readyMs: 180_000,

  async install(ctx) {
    ctx.java(jdk)
    await ctx.maven([`org.neo4j:neo4j:${version}`])
    await certificate(ctx)
    ctx.write('conf/neo4j.conf', configuration(ctx))
    await setPassword(ctx, ctx.java(jdk))
  },

  async start(ctx) {
    const opens = ['java.base/java.nio', 'java.base/java.io', 'java.base/sun.nio.ch'].map(
      (opened) => `--add-opens=${opened}=ALL-UNNAMED`,
    )
    const memory = ['-Xms512m', '-Xmx1g', '-XX:+UseG1GC']
    const home = [`--home-dir=${ctx.folder}`, `--config-dir=${ctx.path('conf')}`]
    ctx.spawn(ctx.java(jdk), [...memory, ...opens, '-cp', ctx.path('lib', '*'), main, ...home])
  },

  async probe(ctx) {
    // The driver would try again by itself, with growing pauses; a server that is ready is to be seen at once.
    const patience = { maxTransactionRetryTime: 0, connectionTimeout: 2_000 }
    const driver = neo4j.driver(`bolt://127.0.0.1:${ctx.ports.bolt}`, neo4j.auth.basic(user, passwordOf(ctx)), patience)
    try {
      await driver.executeQuery('CREATE (p:Probe) DELETE p')
    } finally {
      await driver.close()
    }
  },

  urls: (ctx) => ({
    bolt: `neo4j://${user}:${passwordOf(ctx)}@127.0.0.1:${ctx.ports.bolt}`,
    tls: `neo4j+ssc://${user}:${passwordOf(ctx)}@127.0.0.1:${ctx.ports.bolt}`,
  }),
}))

function passwordOf(ctx) {
  return ctx.credentials(() => ({ user, password: 'forebay-test' })).password
}

/** The first password is taken from a file that is only read before the first start. */
async function setPassword(ctx, java) {
  if (existsSync(ctx.path('data', 'dbms', 'auth.ini')) || existsSync(ctx.path('data', 'databases', 'system'))) return
  const env = { NEO4J_HOME: ctx.folder, NEO4J_CONF: ctx.path('conf') }
  const admin = ['-cp', ctx.path('lib', '*'), 'org.neo4j.cli.AdminTool', 'dbms', 'set-initial-password', passwordOf(ctx)]
  await ctx.run(java, admin, { env })
}

async function certificate(ctx) {
  await ctx.once(ctx.path('cert'), async (folder) => {
    const files = ['-keyout', `${folder}/private.key`, '-out', `${folder}/public.crt`]
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
    await ctx.run('mkdir', ['-p', folder])
    await ctx.run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', ...files, ...names])
  })
}

function configuration(ctx) {
  const address = `127.0.0.1:${ctx.ports.bolt}`
  return `server.default_listen_address=127.0.0.1
server.bolt.enabled=true
server.bolt.listen_address=${address}
server.bolt.advertised_address=${address}
server.bolt.tls_level=OPTIONAL
server.http.enabled=false
server.https.enabled=false
server.memory.pagecache.size=256m
dbms.security.auth_enabled=true
dbms.usage_report.enabled=false
dbms.ssl.policy.bolt.enabled=true
dbms.ssl.policy.bolt.base_directory=${ctx.path('cert')}
dbms.ssl.policy.bolt.client_auth=NONE
`
}
