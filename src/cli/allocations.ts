import type { CommandContext } from './context.js'
import { bytesText, durationText, printJson, printLines, printTable } from './output.js'

interface AllocationLine {
  readonly decidedAt: string
  readonly action: string
  readonly subject: string
  readonly outcome: string
  readonly expected: { readonly benefitMs: number }
  readonly measured?: { readonly benefitMs: number; readonly cost?: { readonly byteSeconds: number } }
  readonly why: string
}

/** `forebay allocations`. */
export async function allocations(context: CommandContext): Promise<void> {
  const { options, output, signal } = context
  const answer = await context
    .client()
    .json<readonly AllocationLine[]>(`/v1/allocations?limit=${String(options['limit'])}`, { signal })
  if (output.json) return printJson(output, answer)
  if (answer.length === 0) return printLines(output, ['nothing was prepared ahead yet'])
  await printTable(
    output,
    ['decided', 'action', 'subject', 'outcome', 'expected', 'measured', 'held', 'why'],
    answer.map((line) => [
      line.decidedAt,
      line.action,
      line.subject,
      line.outcome,
      durationText(line.expected.benefitMs),
      line.measured === undefined ? '' : durationText(line.measured.benefitMs),
      line.measured?.cost === undefined ? '' : `${bytesText(line.measured.cost.byteSeconds)}·s`,
      line.why,
    ]),
  )
}
