import type { MetricObjectWithValues, MetricValueWithName, Registry } from 'prom-client'

/** What a scraper asks for that wants exemplars. */
export const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

interface Exemplar {
  readonly labelSet: Readonly<Record<string, string | number>>
  readonly value: number
  readonly timestamp: number
}
type Value = MetricValueWithName<string> & { readonly exemplar?: Exemplar | null }

/**
 * A registry in OpenMetrics 1.0, exemplars included. The registry of prom-client can do one format or the other, and renames its
 * counters for good when it does this one; a server is asked for both.
 */
export async function openMetricsText(registry: Registry): Promise<string> {
  const metrics = await registry.getMetricsAsJSON()
  return `${(metrics as MetricObjectWithValues<Value>[]).map(family).join('\n')}\n# EOF\n`
}

function family({ name, help, type, values }: MetricObjectWithValues<Value>): string {
  const kind = String(type)
  // A counter's family has no suffix, its samples have.
  const title = kind === 'counter' ? name.replace(/_total$/, '') : name
  const lines = [`# HELP ${title} ${escaped(help)}`, `# TYPE ${title} ${kind}`]
  for (const value of values) lines.push(sample(value.metricName ?? name, value))
  return lines.join('\n')
}

function sample(name: string, { labels, value, exemplar }: Value): string {
  const line = `${name}${braced(labels as Record<string, string | number>)} ${number(value)}`
  if (exemplar === undefined || exemplar === null) return line
  return `${line} # ${braced(exemplar.labelSet) || '{}'} ${number(exemplar.value)} ${exemplar.timestamp}`
}

function braced(labels: Readonly<Record<string, string | number>>): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${escaped(number(value))}"`)
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}

const number = (value: string | number): string =>
  value === Number.POSITIVE_INFINITY ? '+Inf' : value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
