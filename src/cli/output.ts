import type { Writable } from 'node:stream'

/** Where a command prints, and for whom. */
export interface Output {
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly json: boolean
}

/** A cell: text that cannot steer the terminal or break the table. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Object.is(value, -0)) return '-0.0'
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return text.replace(/\r?\n|\t/g, ' ').replace(/\p{Cc}/gu, '')
}

/** Rows as a table on a terminal, as tab-separated lines (header first) in a pipe. */
export async function printTable(output: Output, head: readonly string[], rows: readonly (readonly unknown[])[]): Promise<void> {
  if (output.stdout.isTTY !== true) {
    const lines = [head, ...rows].map((row) => row.map(cell).join('\t'))
    await write(output.stdout, `${lines.join('\n')}\n`)
    return
  }
  const { default: Table } = await import('cli-table3')
  const { default: colours } = await import('picocolors')
  const widths = columnWidths(head, rows, output.stdout.columns ?? 120)
  const table = new Table({
    head: head.map((name) => colours.bold(cell(name))),
    style: { head: [], border: ['grey'] },
    ...(widths === undefined ? {} : { colWidths: widths }),
    colAligns: head.map((_, index) => (rows.every((row) => isNumeric(row[index])) && rows.length > 0 ? 'right' : 'left')),
  })
  for (const row of rows) table.push(row.map(cell))
  await write(output.stdout, `${table.toString()}\n`)
}

const isNumeric = (value: unknown): boolean =>
  value === null || typeof value === 'number' || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value))

/** Widths that fit the terminal, the widest columns giving way first; undefined when all fits. */
function columnWidths(head: readonly string[], rows: readonly (readonly unknown[])[], available: number): number[] | undefined {
  const widths = head.map((name, index) => Math.max(cell(name).length, ...rows.map((row) => cell(row[index]).length)) + 2)
  const room = available - head.length - 1
  let over = widths.reduce((sum, width) => sum + width, 0) - room
  if (over <= 0) return undefined
  while (over > 0) {
    const widest = widths.indexOf(Math.max(...widths))
    const width = widths[widest] ?? 0
    if (width <= 8) return undefined
    widths[widest] = width - 1
    over -= 1
  }
  return widths
}

/** Prints a value as JSON: indented on a terminal, one line in a pipe. */
export async function printJson(output: Output, value: unknown): Promise<void> {
  await write(output.stdout, `${JSON.stringify(value, null, output.stdout.isTTY === true ? 2 : undefined)}\n`)
}

/** Lines of text; a label in front where there is one. */
export async function printLines(output: Output, lines: readonly string[]): Promise<void> {
  await write(output.stdout, `${lines.join('\n')}\n`)
}

/** Resolves when the text has been taken, so that large output does not pile up. */
export function write(stream: Writable, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** `1.2 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < byteUnits.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${byteUnits[unit]}`
}

/** `820 ms`, `1.2 s`, `3.5 min`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`
}
