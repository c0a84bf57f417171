import { readFileSync } from 'node:fs'

/** Clock ticks a second of Linux's accounting; the kernel's interface fixes it at 100. */
const ticksPerSecond = 100

/** CPU time that a process has used so far, in milliseconds; undefined where the system does not tell (not Linux). */
export function cpuMsOf(pid: number | undefined): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the command in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
  } catch {
    return undefined
  }
}
