import type { CommandContext } from './context.js'
import { runDemo } from './demo/run-demo.js'
import type { WorkloadKind } from './demo/workload.js'
import { Interrupted } from './exit-code.js'
import { pipeMs } from './progress.js'

/** `forebay demo`. SIGTERM ends it as Ctrl-C does: it has processes to end and a folder to remove. */
export async function demo(context: CommandContext): Promise<void> {
  const { options, output } = context
  const terminated = new AbortController()
  let toldAt = Number.NEGATIVE_INFINITY
  process.once('SIGTERM', () => terminated.abort(new Interrupted()))
  await runDemo({
    kind: options['workload'] === 'random' ? ('random' satisfies WorkloadKind) : 'dashboard',
    keep: options['keep'] === true,
    json: output.json,
    print: (line) => void output.stdout.write(`${line}\n`),
    progress: (line) => {
      if (output.stderr.isTTY) output.stderr.write(`\r\u001b[K${line}`)
      else if (line !== '' && performance.now() - toldAt >= pipeMs) {
        toldAt = performance.now()
        output.stderr.write(`${line}\n`)
      }
    },
    signal: AbortSignal.any([context.signal, terminated.signal]),
  })
}
