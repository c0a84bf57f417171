/**
 * What each task costs in a process that runs several. DuckDB's profiler would tell a statement's CPU exactly, but only by way of
 * a file per statement (+300 µs, measured), which is more than the whole capture may cost. So the process's CPU and the growth of
 * its memory between two moments are shared out among the tasks that ran then, by their number of threads. That is exact when a
 * node runs one task at a time, as split queries do, and fair when it runs several; the parts always add up to the whole.
 */

interface Used {
  readonly cpuMicros: number
  readonly peakMemoryBytes: number
}

/** One task's part of what the process uses. */
export interface Share {
  /** What the task has used until now, or until it was stopped. */
  used(): Used
  /** Adds what was used since, and ends the share. */
  stop(): Used
  /** Bytes that the process has grown by for this task. */
  heldBytes(): number
}

/** The process, as far as its costs go. */
export interface ProcessMeter {
  cpuMicros(): number
  memoryBytes(): number
}

const processMeter: ProcessMeter = {
  cpuMicros: () => {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  memoryBytes: () => process.memoryUsage.rss(),
}

interface Running {
  readonly weight: number
  cpuMicros: number
  held: number
  peak: number
}

/** Shares a process's costs out among its tasks. */
export class Shares {
  readonly #meter: ProcessMeter
  readonly #running = new Set<Running>()
  #cpuMicros: number
  #memoryBytes: number

  constructor(meter: ProcessMeter = processMeter) {
    this.#meter = meter
    this.#cpuMicros = meter.cpuMicros()
    this.#memoryBytes = meter.memoryBytes()
  }

  /** Starts a task's share; `weight` is its number of threads. */
  start(weight: number): Share {
    this.settle()
    const running: Running = { weight, cpuMicros: 0, held: 0, peak: 0 }
    this.#running.add(running)
    const used = (): Used => {
      if (this.#running.has(running)) this.settle()
      return { cpuMicros: Math.round(running.cpuMicros), peakMemoryBytes: Math.round(running.peak) }
    }
    return {
      heldBytes: () => running.held,
      used,
      stop: () => {
        const last = used()
        this.#running.delete(running)
        return last
      },
    }
  }

  /** Shares out what was used since the last time. Called at every start and end, and by the memory watch in between. */
  settle(): number {
    const cpuMicros = this.#meter.cpuMicros()
    const memoryBytes = this.#meter.memoryBytes()
    const usedMicros = cpuMicros - this.#cpuMicros
    const grownBytes = memoryBytes - this.#memoryBytes
    this.#cpuMicros = cpuMicros
    this.#memoryBytes = memoryBytes
    let weights = 0
    for (const { weight } of this.#running) weights += weight
    for (const running of this.#running) {
      const part = running.weight / weights
      running.cpuMicros += usedMicros * part
      running.held = Math.max(0, running.held + grownBytes * part)
      running.peak = Math.max(running.peak, running.held)
    }
    return memoryBytes
  }
}
