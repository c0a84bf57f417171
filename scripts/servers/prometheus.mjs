/**
 * Prometheus of the distribution, beside a running Forebay (FOREBAY_URL, by default http://127.0.0.1:4180): the scrape
 * configuration, rules and alerts of deploy/prometheus. The package may start one by itself; this one shares neither port nor data.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'

const deploy = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', 'deploy', 'prometheus')

export const server = {
  name: 'prometheus',
  about: 'Prometheus of the distribution',
  ports: { http: 17690 },

  async install(ctx) {
    await ctx.apt('prometheus', '/usr/bin/prometheus')
    ctx.write('prometheus.yml', configuration(forebay()))
    await ctx.run('promtool', ['check', 'config', ctx.path('prometheus.yml')])
  },

  async start(ctx) {
    ctx.spawn('/usr/bin/prometheus', [
      `--config.file=${ctx.path('prometheus.yml')}`,
      `--storage.tsdb.path=${ctx.path('data')}`,
      '--storage.tsdb.retention.time=7d',
      '--storage.tsdb.retention.size=1GB',
      '--enable-feature=exemplar-storage',
      `--web.listen-address=127.0.0.1:${ctx.ports.http}`,
    ])
  },

  async probe(ctx) {
    const url = `http://127.0.0.1:${ctx.ports.http}`
    await ctx.fetchOk(`${url}/-/ready`)
    const { data } = JSON.parse(await ctx.fetchOk(`${url}/api/v1/status/config`))
    // One that scrapes another Forebay is started anew.
    if (!data.yaml.includes(`- ${new URL(forebay()).host}\n`)) throw new Error(`it does not scrape ${forebay()}`)
  },

  urls: (ctx) => ({ http: `http://127.0.0.1:${ctx.ports.http}` }),
}

const forebay = () => process.env.FOREBAY_URL ?? 'http://127.0.0.1:4180'

/** The configuration of deploy/prometheus with this Forebay as its target, looked at often enough for a person who watches. */
function configuration(url) {
  const { protocol, host } = new URL(url)
  const shipped = parse(readFileSync(resolve(deploy, 'prometheus.yml'), 'utf8'))
  const [job] = shipped.scrape_configs
  return stringify({
    ...shipped,
    global: { scrape_interval: '5s', evaluation_interval: '5s' },
    rule_files: shipped.rule_files.map((file) => resolve(deploy, file)),
    scrape_configs: [{ ...job, scheme: protocol.replace(':', ''), static_configs: [{ targets: [host] }] }],
  })
}
