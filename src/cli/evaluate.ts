import { access, constants } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { writeWhole } from '../model/whole-file.js'
import { renderEvaluation } from '../predict/evaluate/render-evaluation.js'
import { renderHtml } from '../predict/evaluate/render-html.js'
import { type Ablation, runEvaluate } from '../predict/evaluate/run-evaluate.js'
import type { ImportFormat } from '../predict/import-log/import-log.js'
import type { CommandContext } from './context.js'
import { unreadable, unwritable } from './exit-code.js'
import { printJson, printLines } from './output.js'
import { withProgress } from './progress.js'

/** `forebay evaluate TRACE`. */
export async function evaluate(context: CommandContext, trace = ''): Promise<void> {
  const { options, output, signal } = context
  await access(trace, constants.R_OK).catch((error: Error) => {
    throw unreadable(`trace ${trace}`, error)
  })
  if (typeof options['html'] === 'string') await placeFor(options['html'])
  let share = 0
  const running = runEvaluate({
    path: trace,
    signal,
    fast: options['fast'] === true,
    ablate: (options['ablate'] ?? []) as readonly Ablation[],
    ...(options['from'] === undefined ? {} : { from: options['from'] as ImportFormat }),
    onProgress: (reached) => {
      share = reached
    },
  })
  const evaluation = await withProgress(output, () => ({ share, text: trace }), running)
  if (typeof options['html'] === 'string') await writeReport(options['html'], renderHtml(evaluation, basename(trace)))
  return output.json ? printJson(output, evaluation) : printLines(output, [renderEvaluation(evaluation)])
}

/** A replay takes minutes, so that there is no place for its report is said before. */
async function placeFor(path: string): Promise<void> {
  await access(dirname(resolve(path)), constants.W_OK).catch((error: Error) => {
    throw unwritable(`--html ${path}`, error)
  })
}

async function writeReport(path: string, text: string): Promise<void> {
  await writeWhole(path, text).catch((error: Error) => {
    throw unwritable(`--html ${path}`, error)
  })
}
