import type { Estimate } from '../model/resources.js'
import type { CommandContext } from './context.js'
import { bytesText, durationText, printJson, printLines, printTable } from './output.js'

interface Needs {
  readonly cpuMs: Estimate
  readonly memoryBytes: Estimate
  readonly networkBytes: Estimate
}
interface PredictionAnswer {
  readonly template: string
  readonly fingerprint: string
  readonly segmentsTotal: number
  readonly segments: readonly { readonly bytes: number; readonly hot: boolean; readonly warmOn: readonly string[] }[]
  readonly nodes: readonly (Needs & { readonly node: string; readonly role: string; readonly loadScore: number })[]
  readonly total: Needs & { readonly wallMs: Estimate }
  readonly evidence: readonly string[]
  readonly predictionMs: number
}

/** `forebay predict`. */
export async function predict(context: CommandContext, sql = ''): Promise<void> {
  const { output, signal } = context
  const answer = await context.client().json<PredictionAnswer>('/v1/predict', { method: 'POST', body: { sql }, signal })
  if (output.json) return printJson(output, answer)
  const { total } = answer
  await printTable(
    output,
    ['resource', 'median', '90 % of the time below', 'interval', 'holds in'],
    [
      ['CPU', ...spread(total.cpuMs, durationText)],
      ['memory', ...spread(total.memoryBytes, bytesText)],
      ['network', ...spread(total.networkBytes, bytesText)],
      ['wall time', ...spread(total.wallMs, durationText)],
    ],
  )
  await printTable(
    output,
    ['node', 'role', 'load score', 'CPU', 'memory', 'network'],
    answer.nodes.map(({ node, role, loadScore, cpuMs, memoryBytes, networkBytes }) => [
      node,
      role,
      loadScore.toFixed(2),
      durationText(cpuMs.p50),
      bytesText(memoryBytes.p50),
      bytesText(networkBytes.p50),
    ]),
  )
  const hot = answer.segments.filter((segment) => segment.hot).length
  const warm = answer.segments.filter((segment) => segment.warmOn.length > 0).length
  await printLines(output, [
    `segments: ${answer.segmentsTotal}, hot: ${hot}, warm: ${warm}; template ${answer.fingerprint}`,
    ...answer.evidence.map((sentence) => `- ${sentence}`),
  ])
}

function spread(estimate: Estimate, show: (value: number) => string): string[] {
  const { p50, p90, low, high, coverage, abstained } = estimate
  const holds = abstained === true ? 'not known yet' : `${Math.round(coverage * 100)} %`
  return [show(p50), show(p90), `${show(low)} – ${show(high)}`, holds]
}
