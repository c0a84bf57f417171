import type { CommandContext } from './context.js'
import { runDemo } from './demo/run-demo.js'
import type { WorkloadKind } from './demo/workload.js'

/** `forebay demo`. */
export async function demo(context: CommandContext): Promise<void> {
  const { options, output, signal } = context
  await runDemo({
    kind: options['workload'] === 'random' ? ('random' satisfies WorkloadKind) : 'dashboard',
    keep: options['keep'] === true,
    json: output.json,
    print: (line) => void output.stdout.write(`${line}\n`),
    progress: (line) => {
      if (output.stderr.isTTY) output.stderr.write(line === '' ? '\r\u001b[K' : `\r\u001b[K${line}`)
    },
    signal,
  })
}
