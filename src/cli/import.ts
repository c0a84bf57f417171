import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { ForebayError, fromErrorRecord, toErrorRecord } from '../model/errors.js'
import { importFormatOf } from '../model/import-format.js'
import { type CommandContext, text } from './context.js'
import { UsageError, unreadable } from './exit-code.js'
import { bytesText, printJson, printTable } from './output.js'
import { withProgress } from './progress.js'

/** `forebay import FILE… --table NAME`. All files are looked at before the first is sent. */
export async function importFiles(context: CommandContext, ...files: readonly string[]): Promise<void> {
  const { options, output, signal } = context
  const table = text(options['table']) ?? ''
  if (table === '') throw new UsageError('--table names no table', 'forebay import FILE --table NAME')
  const sizes: number[] = []
  for (const file of files) sizes.push(await sizeOf(file))
  const client = context.client()
  const imported: Record<string, unknown>[] = []
  for (const [index, file] of files.entries()) {
    const size = sizes[index] ?? 0
    const stream = createReadStream(file)
    const format = text(options['format']) ?? importFormatOf(file)
    const answer = client
      .json<Record<string, unknown>>(
        `/v1/tables/${encodeURIComponent(table)}/import${format === undefined ? '' : `?format=${format}`}`,
        {
          method: 'POST',
          stream,
          headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
          signal,
        },
      )
      .catch((error: unknown) => {
        throw naming(file, error, index)
      })
    const read = () => ({ share: size === 0 ? 0 : stream.bytesRead / size, text: `${file}, ${bytesText(size)}` })
    imported.push({ file, ...(await withProgress(output, read, answer)) })
  }
  if (output.json) return printJson(output, { table, imported })
  await printTable(
    output,
    ['file', 'rows', 'segments of the table'],
    imported.map(({ file, rows, segments }) => [file, rows, segments]),
  )
}

/** The server knows no name of the file that came to it, and nothing of those before it, which must not be sent again. */
function naming(file: string, error: unknown, before: number): unknown {
  if (!(error instanceof ForebayError)) return error
  const message = error.message.replace(/\bthe file\b/, () => `file ${file}`)
  const kept =
    before === 0 ? '' : before === 1 ? '; the file before it was imported' : `; the ${before} files before it were imported`
  return fromErrorRecord({ ...toErrorRecord(error), message: `${message}${kept}` })
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch((error: Error) => {
    throw unreadable(`file ${file}`, error)
  })
  if (!found.isFile()) throw new UsageError(`${file} is not a file`, 'name the files themselves')
  return found.size
}
