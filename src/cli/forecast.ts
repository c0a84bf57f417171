import { type CommandContext, durationMs, text } from './context.js'
import { printJson, printLines, printTable } from './output.js'

interface ForecastLine {
  readonly template: string
  readonly tenant: string
  readonly at: string
  readonly probability: number
  readonly expected: { readonly sql?: string }
  readonly why: string
}

/** `forebay forecast`. */
export async function forecast(context: CommandContext): Promise<void> {
  const { options, output, signal } = context
  const horizon = durationMs(text(options['horizon']) ?? '24h', '--horizon', '6h')
  const answer = await context.client().json<readonly ForecastLine[]>(`/v1/forecast?horizonMs=${horizon}`, { signal })
  if (output.json) return printJson(output, answer)
  if (answer.length === 0) return printLines(output, ['nothing is expected: no habit is strong enough to act on'])
  await printTable(
    output,
    ['at', 'probability', 'tenant', 'query', 'why'],
    answer.map(({ at, probability, tenant, expected, template, why }) => [
      at,
      `${Math.round(probability * 100)} %`,
      tenant,
      expected.sql ?? template,
      why,
    ]),
  )
}
