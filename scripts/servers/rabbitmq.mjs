/**
 * RabbitMQ from Debian, as a broker of its own: AMQP and AMQP over TLS, management and Prometheus metrics on loopback. The
 * package may start a broker by itself; this one shares neither ports nor files with it.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'amqplib'
import { pause } from './support.mjs'

const home = '/usr/lib/rabbitmq'
const user = 'forebay'

export const server = {
  name: 'rabbitmq',
  about: 'RabbitMQ of the distribution',
  ports: { amqp: 17672, tls: 17671, management: 17673, prometheus: 17674, distribution: 17675, epmd: 17676 },

  async install(ctx) {
    await ctx.apt('rabbitmq-server', `${home}/bin/rabbitmq-server`)
    await certificate(ctx)
    ctx.write('rabbitmq.conf', configuration(ctx))
    ctx.write('enabled_plugins', '[rabbitmq_management,rabbitmq_prometheus].\n')
  },

  async start(ctx) {
    const { ports } = ctx
    const file = ctx.path('mnesia', `${nodeName(ctx)}.pid`)
    // Of a broker that was killed: another process may have that pid by now.
    rmSync(file, { force: true })
    // Started here, since the broker would leave its own running when it ends.
    ctx.spawn('epmd', ['-port', String(ports.epmd), '-address', '127.0.0.1'], { name: 'epmd' })
    await pause(300)
    ctx.spawn(`${home}/bin/rabbitmq-server`, [], { env: environment(ctx) })
    for (let tries = 0; tries < 300; tries++) {
      const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
      if (pid > 0 && existsSync(`/proc/${pid}`)) return ctx.adopt('broker', pid)
      await pause(100)
    }
  },

  async probe(ctx) {
    const connection = await connect(this.urls(ctx).amqp)
    try {
      const channel = await connection.createConfirmChannel()
      const { queue } = await channel.assertQueue('', { exclusive: true })
      channel.sendToQueue(queue, Buffer.from('probe'))
      await channel.waitForConfirms()
      if (!(await channel.get(queue, { noAck: true }))) throw new Error('a message that was confirmed is not there')
    } finally {
      await connection.close()
    }
  },

  urls: (ctx) => ({
    amqp: `amqp://${user}:${passwordOf(ctx)}@127.0.0.1:${ctx.ports.amqp}`,
    tls: `amqps://${user}:${passwordOf(ctx)}@127.0.0.1:${ctx.ports.tls}?ca=${ctx.path('cert', 'public.crt')}`,
    management: `http://${user}:${passwordOf(ctx)}@127.0.0.1:${ctx.ports.management}`,
    metrics: `http://127.0.0.1:${ctx.ports.prometheus}/metrics`,
  }),
}

const nodeName = (ctx) => `forebay${ctx.ports.amqp}@localhost`

function passwordOf(ctx) {
  return ctx.credentials(() => ({ user, password: 'forebay-test' })).password
}

function environment(ctx) {
  return {
    HOME: ctx.folder,
    RABBITMQ_NODENAME: nodeName(ctx),
    RABBITMQ_DIST_PORT: String(ctx.ports.distribution),
    ERL_EPMD_PORT: String(ctx.ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_CONFIG_FILE: ctx.path('rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: ctx.path('enabled_plugins'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_MNESIA_BASE: ctx.path('mnesia'),
    RABBITMQ_LOG_BASE: ctx.path('log'),
    RABBITMQ_GENERATED_CONFIG_DIR: ctx.path('generated'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none',
  }
}

function configuration(ctx) {
  const { ports } = ctx
  return `listeners.tcp.1 = 127.0.0.1:${ports.amqp}
listeners.ssl.1 = 127.0.0.1:${ports.tls}
ssl_options.cacertfile = ${ctx.path('cert', 'public.crt')}
ssl_options.certfile = ${ctx.path('cert', 'public.crt')}
ssl_options.keyfile = ${ctx.path('cert', 'private.key')}
ssl_options.verify = verify_none
management.tcp.ip = 127.0.0.1
management.tcp.port = ${ports.management}
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = ${ports.prometheus}
default_user = ${user}
default_pass = ${passwordOf(ctx)}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
log.file.level = warning
`
}

async function certificate(ctx) {
  await ctx.once(ctx.path('cert'), async (folder) => {
    const files = ['-keyout', `${folder}/private.key`, '-out', `${folder}/public.crt`]
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
    await ctx.run('mkdir', ['-p', folder])
    await ctx.run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', ...files, ...names])
  })
}
