/**
 * Apache Kafka from Maven's registry: one process that is broker and controller (KRaft). One listener is plain, one is TLS with
 * a user and a password. Sessions end soon, so that a broker that was killed takes part again within seconds.
 */
import { existsSync, readFileSync } from 'node:fs'
import kafkajs from 'kafkajs'

const user = 'forebay'

export const server = {
  name: 'kafka',
  about: 'Apache Kafka 4.1 (KRaft)',
  ports: { broker: 17092, tls: 17093, controller: 17094 },

  async install(ctx) {
    const java = ctx.java({ min: 17 })
    await ctx.maven(['org.apache.kafka:kafka_2.13:4.1.2', 'org.slf4j:slf4j-simple:1.7.36'])
    await certificate(ctx)
    ctx.write('server.properties', configuration(ctx))
    if (existsSync(ctx.path('data', 'meta.properties'))) return
    const tool = ['-cp', ctx.path('lib', '*'), 'kafka.tools.StorageTool']
    const id = (await ctx.run(java, [...tool, 'random-uuid'])).trim()
    await ctx.run(java, [...tool, 'format', '-t', id, '-c', ctx.path('server.properties')])
  },

  async start(ctx) {
    const options = ['-Xmx512m', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn']
    ctx.spawn(ctx.java({ min: 17 }), [...options, '-cp', ctx.path('lib', '*'), 'kafka.Kafka', ctx.path('server.properties')])
  },

  async probe(ctx) {
    const brokers = [`127.0.0.1:${ctx.ports.broker}`]
    const kafka = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 0 } })
    const admin = kafka.admin()
    await admin.connect()
    try {
      const topic = 'probe'
      if (!(await admin.listTopics()).includes(topic)) await admin.createTopics({ topics: [{ topic }], waitForLeaders: true })
      const producer = kafka.producer()
      await producer.connect()
      await producer.send({ topic, acks: -1, messages: [{ value: 'probe' }] })
      await producer.disconnect()
    } finally {
      await admin.disconnect()
    }
  },

  urls: (ctx) => ({
    plain: `kafka://127.0.0.1:${ctx.ports.broker}`,
    tls: `kafkas://${user}:${passwordOf(ctx)}@127.0.0.1:${ctx.ports.tls}?ca=${ctx.path('cert', 'public.crt')}`,
  }),
}

function passwordOf(ctx) {
  return ctx.credentials(() => ({ user, password: 'forebay-test' })).password
}

async function certificate(ctx) {
  await ctx.once(ctx.path('cert'), async (folder) => {
    const files = ['-keyout', `${folder}/private.key`, '-out', `${folder}/public.crt`]
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
    await ctx.run('mkdir', ['-p', folder])
    await ctx.run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', ...files, ...names])
  })
}

function configuration(ctx) {
  const { broker, tls, controller } = ctx.ports
  const oneLine = (file) => readFileSync(ctx.path('cert', file), 'utf8').trim().replaceAll('\n', '\\n')
  const login = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${user}="${passwordOf(ctx)}";`
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${broker},SECURE://127.0.0.1:${tls},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${broker},SECURE://127.0.0.1:${tls}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL
listener.name.secure.sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=${login}
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.certificate.chain=${oneLine('public.crt')}
listener.name.secure.ssl.keystore.key=${oneLine('private.key')}
log.dirs=${ctx.path('data')}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
`
}
