import type { CommandContext } from './context.js'
import { printJson, printTable } from './output.js'

interface HotLine {
  readonly id: string
  readonly dataset: string | null
  readonly degree: number
  readonly hotness: number
  readonly warmOn: readonly string[]
}

/** `forebay hot`. */
export async function hot(context: CommandContext): Promise<void> {
  const { options, output, signal } = context
  const answer = await context.client().json<readonly HotLine[]>(`/v1/hot-segments?limit=${String(options['limit'])}`, { signal })
  if (output.json) return printJson(output, answer)
  await printTable(
    output,
    ['segment', 'dataset', 'degree', 'hotness', 'warm on'],
    answer.map(({ id, dataset, degree, hotness, warmOn }) => [id, dataset, degree, hotness.toFixed(2), warmOn.join(', ')]),
  )
}
