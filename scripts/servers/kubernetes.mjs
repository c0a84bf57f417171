/**
 * A Kubernetes API server: `apiextensions-apiserver`, the real API machinery with custom resources, over etcd of the distribution.
 * It has `scale` subresources, patches, conflicts and watches as every Kubernetes has, but no workloads (`apps/v1`), no pods and
 * nobody who runs them.
 */
import { readFileSync } from 'node:fs'
import { request } from 'node:https'

export const server = {
  name: 'kubernetes',
  about: 'apiextensions-apiserver 0.34 over etcd: real API machinery, custom resources only',
  ports: { api: 17710, etcd: 17711, peer: 17712 },
  readyMs: 60_000,

  async install(ctx) {
    await ctx.apt('etcd-server', '/usr/bin/etcd')
    await ctx.go('k8s.io/apiextensions-apiserver@v0.34.1')
    await certificates(ctx)
    ctx.write('kubeconfig.yaml', kubeconfig(ctx))
  },

  async start(ctx) {
    const { api, etcd, peer } = ctx.ports
    const client = `http://127.0.0.1:${etcd}`
    const peers = `http://127.0.0.1:${peer}`
    ctx.spawn(
      '/usr/bin/etcd',
      [
        `--data-dir=${ctx.path('etcd')}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peers}`,
        `--initial-advertise-peer-urls=${peers}`,
        `--initial-cluster=default=${peers}`,
      ],
      { name: 'etcd' },
    )
    const config = ctx.path('kubeconfig.yaml')
    const off =
      'NamespaceLifecycle,MutatingAdmissionWebhook,ValidatingAdmissionWebhook,ValidatingAdmissionPolicy,MutatingAdmissionPolicy'
    ctx.spawn(await ctx.go('k8s.io/apiextensions-apiserver@v0.34.1'), [
      `--etcd-servers=${client}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${api}`,
      `--tls-cert-file=${ctx.path('cert', 'server.crt')}`,
      `--tls-private-key-file=${ctx.path('cert', 'server.key')}`,
      `--client-ca-file=${ctx.path('cert', 'ca.crt')}`,
      `--kubeconfig=${config}`,
      `--authentication-kubeconfig=${config}`,
      `--authorization-kubeconfig=${config}`,
      '--authentication-skip-lookup',
      '--enable-priority-and-fairness=false',
      `--disable-admission-plugins=${off}`,
    ])
  },

  async probe(ctx) {
    await ask(ctx, '/readyz?exclude=informer-sync')
    await ask(ctx, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions?limit=1')
  },

  urls: (ctx) => ({ api: `https://127.0.0.1:${ctx.ports.api}`, kubeconfig: ctx.path('kubeconfig.yaml') }),
}

/** An own authority, the server's certificate, a client that may everything and one that may nothing. */
async function certificates(ctx) {
  await ctx.once(ctx.path('cert'), async (folder) => {
    const openssl = (...parameters) => ctx.run('openssl', parameters, { cwd: folder })
    await ctx.run('mkdir', ['-p', folder])
    const authority = ['-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=forebay-test-ca']
    await openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', ...authority)
    const sign = async (name, subject, extension) => {
      const asked = ['-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject, '-addext', extension]
      await openssl('req', '-newkey', 'rsa:2048', '-nodes', ...asked)
      const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '3650', '-copy_extensions', 'copy']
      await openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...by)
    }
    await sign('server', '/CN=localhost', 'subjectAltName=IP:127.0.0.1,DNS:localhost')
    await sign('client', '/O=system:masters/CN=forebay-test', 'extendedKeyUsage=clientAuth')
    await sign('nobody', '/CN=nobody', 'extendedKeyUsage=clientAuth')
  })
}

function kubeconfig(ctx) {
  const user = (name) =>
    `- {name: ${name}, user: {client-certificate: ${ctx.path('cert', `${name}.crt`)}, client-key: ${ctx.path('cert', `${name}.key`)}}}`
  return `apiVersion: v1
kind: Config
clusters:
- name: test
  cluster: {server: "https://127.0.0.1:${ctx.ports.api}", certificate-authority: ${ctx.path('cert', 'ca.crt')}}
users:
${user('client')}
${user('nobody')}
contexts:
- {name: test, context: {cluster: test, user: client, namespace: default}}
- {name: nobody, context: {cluster: test, user: nobody, namespace: default}}
current-context: test
`
}

function ask(ctx, path) {
  const file = (name) => readFileSync(ctx.path('cert', name))
  const tls = { ca: file('ca.crt'), cert: file('client.crt'), key: file('client.key') }
  return new Promise((resolve, reject) => {
    const asked = request(`https://127.0.0.1:${ctx.ports.api}${path}`, { ...tls, timeout: 5_000 }, (response) => {
      response.resume()
      if (response.statusCode === 200) resolve()
      else reject(new Error(`${path} answered ${response.statusCode}`))
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', reject)
    asked.end()
  })
}
