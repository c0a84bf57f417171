import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { useServer } from './support.js'

const folder = join('deploy', 'prometheus')
const promtool = (...parameters: string[]): string =>
  execFileSync('promtool', parameters, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert?: string; readonly annotations?: Record<string, string> }[]
  }[]
}
const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
const alerts = (parse(read('rules/forebay-alerts.yml')) as Rules).groups.flatMap(({ rules }) => rules)

describe('the rules for Prometheus', () => {
  it('come with a Prometheus that runs', () => {
    expect(useServer('prometheus').urls['http']).toContain('127.0.0.1')
  })

  it('are what promtool takes', () => {
    expect(promtool('check', 'config', 'prometheus.yml')).toContain('SUCCESS')
  })

  it('fire and keep silent as their cases say', () => {
    const files = readdirSync(join(folder, 'tests')).map((file) => `tests/${file}`)
    expect(promtool('test', 'rules', ...files).match(/SUCCESS/g)).toHaveLength(files.length)
  })

  it('each have a case in which they fire, and a section that says what to do', () => {
    const cases = read('tests/alerts-test.yml')
    const runbook = readFileSync(join('docs', 'monitoring.md'), 'utf8')
    expect(alerts.length).toBeGreaterThan(7)
    for (const { alert, annotations } of alerts) {
      expect(cases).toMatch(new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:`))
      expect(annotations?.['runbook_url']).toBe(`docs/monitoring.md#${alert?.toLowerCase()}`)
      expect(runbook).toMatch(new RegExp(`^### ${alert}$`, 'm'))
    }
  })
})

describe('the dashboards', () => {
  it("are what their script writes, and their script is what the types of Grafana's SDK allow", () => {
    execFileSync(process.execPath, ['scripts/dashboards.mjs', '--check'])
    const flags = '--ignoreConfig --noEmit --allowJs --checkJs --strict --noImplicitAny false --module nodenext --target es2023'
    const files = ['scripts/dashboards/parts.mjs', 'scripts/dashboards/dashboards.mjs']
    execFileSync('npx', ['tsc', ...flags.split(' '), '--skipLibCheck', '--types', 'node', ...files])
  })
})
