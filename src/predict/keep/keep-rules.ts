/** One access to a thing, with what is known of its whole life, evictions included. All that a rule may look at: never the future. */
export interface Access {
  readonly id: string
  readonly bytes: number
  /** What finding it saves, in any unit that is one for all. */
  readonly value: number
  /** Decayed accesses. */
  readonly heat: number
  /** Decayed accesses, as they will be seen from any later moment: by half-life, in powers of two. */
  readonly rates: readonly number[]
  /** Number of this access. */
  readonly now: number
}

/**
 * Ranks what is kept: the lowest goes first. `count` is the accesses since it was admitted, `floor` the rank of what was let go last:
 * adding it makes old merits age (the L of GreedyDual).
 */
export type KeepRule = (access: Access, count: number, floor: number) => number

export const lru: KeepRule = ({ now }) => now
export const lfu: KeepRule = (_, count, floor) => floor + count
/** GreedyDual-Size-Frequency (Cherkasova 1998). */
export const gdsf: KeepRule = ({ value, bytes }, count, floor) => floor + (count * value) / bytes
/** GDSF that remembers the heat of what it let go, so that a periodic reader is not a stranger every time. */
const heatBySize: KeepRule = ({ heat, value, bytes }, _, floor) => floor + (heat * value) / bytes
/** Heat alone: where popularity stands still, ageing only lets newcomers push out what is better; they go again at once. */
const density: KeepRule = ({ heat, value, bytes }) => (heat * value) / bytes
/** Between the two. */
const slowDensity: KeepRule = ({ heat, value, bytes }, _, floor) => 0.3 * floor + (heat * value) / bytes

/** Rates halve in so many accesses per thing known. */
export const rateHalfLives = [1, 4, 16, 64] as const

/**
 * Decayed value per byte, decaying while it is not read too (LRFU of Lee et al., 2001, by bytes). Since all decay alike, the
 * order of two things never changes between their accesses.
 */
const rateBySize =
  (halfLife: number): KeepRule =>
  ({ rates, value, bytes }) =>
    (rates[halfLife] as number) + Math.log2(value) - Math.log2(bytes)

/** The rules that a choice is made of; the first is followed until another has proven better. */
export const keepRules: readonly [KeepRule, ...KeepRule[]] = [
  gdsf,
  heatBySize,
  density,
  slowDensity,
  lru,
  ...rateHalfLives.map((_, i) => rateBySize(i)),
]
