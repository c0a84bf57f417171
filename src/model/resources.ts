/** What something costs or needs. Durations in milliseconds, sizes in bytes. */
export interface Resources {
  readonly cpuMs: number
  readonly memoryBytes: number
  readonly networkBytes: number
  readonly wallMs: number
}
export const resourceNames = ['cpuMs', 'memoryBytes', 'networkBytes', 'wallMs'] as const
export type ResourceName = (typeof resourceNames)[number]

/** A predicted quantity: median, ninetieth percentile and a 90 % interval whose coverage is measured live. */
export interface Estimate {
  readonly p50: number
  readonly p90: number
  readonly low: number
  readonly high: number
  /** Share of recent outcomes inside their interval, 0–1; 1 before anything was measured is never claimed: then it is 0. */
  readonly coverage: number
  /** True when the interval does not hold at present, so that nobody should act on it. */
  readonly abstained?: boolean
}
