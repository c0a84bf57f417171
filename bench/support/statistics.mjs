/** The value below which a share of the numbers lies: sorted[floor(share · n)]. */
export function quantile(numbers, share) {
  const sorted = Float64Array.from(numbers).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/** Middle value. */
export function median(numbers) {
  return quantile(numbers, 0.5)
}

/** exp of the mean logarithm. */
export function geometricMean(numbers) {
  return Math.exp(numbers.reduce((sum, number) => sum + Math.log(number), 0) / numbers.length)
}

/** A row of a report: the median of some measurements, and between what most of them (p10 to p90) lay. */
export function spread(measure, numbers, unit, asked = '') {
  return {
    measure,
    value: rounded(median(numbers)),
    unit,
    p10: rounded(quantile(numbers, 0.1)),
    p90: rounded(quantile(numbers, 0.9)),
    asked,
  }
}

/** A row of one figure that is not a median. */
export function figure(measure, value, unit, asked = '') {
  return { measure, value: rounded(value), unit, asked }
}

/**
 * 95 % bounds of the median of paired ratios: the order statistics whose ranks a fair coin's sign test would not reject.
 * Pairs are few and far from normal, so nothing about their distribution is assumed.
 */
export function medianBounds(ratios) {
  const sorted = ratios.toSorted((a, b) => a - b)
  const half = 0.98 * Math.sqrt(sorted.length)
  const low = Math.max(0, Math.floor(sorted.length / 2 - half))
  const high = Math.min(sorted.length - 1, Math.ceil(sorted.length / 2 + half))
  return { low: sorted[low], middle: median(sorted), high: sorted[high] }
}

/** Three digits, or none after the point for large numbers. */
export function rounded(value) {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}

/** Runs both sides in turn, changing who goes first, and gives the milliseconds of each. */
export async function interleave(rounds, sides) {
  const names = Object.keys(sides)
  const times = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? names : names.toReversed()
    for (const name of order) times[name].push(await timed(() => sides[name](round)))
  }
  return times
}

/** Milliseconds that some work takes. */
export async function timed(work) {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
