import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { CommandContext } from './context.js'
import { UsageError } from './exit-code.js'
import { outline } from './explain.js'
import { bytesText, printJson, printLines } from './output.js'
import { withProgress } from './progress.js'

/** `forebay learn TRACE`. */
export async function learn(context: CommandContext, trace = ''): Promise<void> {
  const { output, signal } = context
  const { size } = await stat(trace).catch((error: Error) => {
    throw new UsageError(`trace ${trace} cannot be read: ${error.message}`)
  })
  const stream = createReadStream(trace)
  const headers = { 'content-type': 'application/x-ndjson', 'content-length': String(size) }
  const answer = context.client().json<Record<string, unknown>>('/v1/learn', { method: 'POST', stream, headers, signal })
  const read = () => ({ share: size === 0 ? 1 : stream.bytesRead / size, text: `${trace}, ${bytesText(size)}` })
  const learned = await withProgress(output, read, answer)
  return output.json ? printJson(output, learned) : printLines(output, outline(learned, ''))
}
