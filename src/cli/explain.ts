import type { CommandContext } from './context.js'
import { cell, printJson, printLines } from './output.js'

/** `forebay explain`: the plan as an indented outline. */
export async function explain(context: CommandContext, sql = ''): Promise<void> {
  const { output, signal } = context
  const answer = await context.client().json<Record<string, unknown>>('/v1/explain', { method: 'POST', body: { sql }, signal })
  if (output.json) return printJson(output, answer)
  await printLines(output, outline(answer, ''))
}

/** Any JSON as lines: names in front, nesting by indentation. */
export function outline(value: unknown, indent: string): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) =>
      isPlain(item) ? [`${indent}- ${cell(item)}`] : [`${indent}-`, ...outline(item, `${indent}  `)],
    )
  }
  return Object.entries(value as Record<string, unknown>).flatMap(([name, item]) =>
    isPlain(item) ? [`${indent}${name}: ${cell(item)}`] : [`${indent}${name}:`, ...outline(item, `${indent}  `)],
  )
}

/** What fits on its name's line. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  const items = Object.values(value)
  return items.length === 0 || (Array.isArray(value) && items.every((item) => typeof item !== 'object') && items.length <= 16)
}
