import { access, constants } from 'node:fs/promises'
import { renderEvaluation } from '../predict/evaluate/render-evaluation.js'
import { runEvaluate } from '../predict/evaluate/run-evaluate.js'
import type { CommandContext } from './context.js'
import { UsageError } from './exit-code.js'
import { printJson, printLines } from './output.js'
import { withProgress } from './progress.js'

/** `forebay evaluate TRACE`. */
export async function evaluate(context: CommandContext, trace = ''): Promise<void> {
  const { options, output, signal } = context
  await access(trace, constants.R_OK).catch((error: Error) => {
    throw new UsageError(`trace ${trace} cannot be read: ${error.message}`)
  })
  let share = 0
  const running = runEvaluate({
    path: trace,
    signal,
    fast: options['fast'] === true,
    onProgress: (reached) => {
      share = reached
    },
  })
  const evaluation = await withProgress(output, () => ({ share, text: trace }), running)
  return output.json ? printJson(output, evaluation) : printLines(output, [renderEvaluation(evaluation)])
}
