import type { Output } from './output.js'

const quietMs = 1_000
const terminalMs = 200
/** How often a pipe is told. */
export const pipeMs = 5_000
const barWidth = 24

/** What is known of a running thing. */
export interface ProgressReading {
  /** 0–1; absent when nobody knows. */
  readonly share?: number
  readonly text: string
}

/** Shows on stderr how far something is, once it has taken longer than a second: a bar on a terminal, a line now and then in a pipe. */
export async function withProgress<T>(
  output: Output,
  read: () => Promise<ProgressReading> | ProgressReading,
  work: Promise<T>,
): Promise<T> {
  const { stderr } = output
  const terminal = stderr.isTTY === true
  let over = false
  let shown = false
  let timer: NodeJS.Timeout | undefined
  const show = async (): Promise<void> => {
    const reading = await Promise.resolve(read()).catch(() => undefined)
    if (over) return
    if (reading !== undefined) {
      stderr.write(terminal ? `\r\x1b[2K${bar(reading)}` : `${plain(reading)}\n`)
      shown = true
    }
    timer = setTimeout(() => void show(), terminal ? terminalMs : pipeMs)
  }
  timer = setTimeout(() => void show(), quietMs)
  try {
    return await work
  } finally {
    over = true
    clearTimeout(timer)
    if (shown && terminal) stderr.write('\r\x1b[2K')
  }
}

function bar({ share, text }: ProgressReading): string {
  if (share === undefined) return text
  const full = Math.round(Math.min(1, Math.max(0, share)) * barWidth)
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${Math.round(share * 100)} % ${text}`
}

const plain = ({ share, text }: ProgressReading): string => (share === undefined ? text : `${Math.round(share * 100)} % ${text}`)
