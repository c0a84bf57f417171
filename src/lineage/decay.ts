/** Half-lives by which use fades: one for what is hot today, one for habits. They weigh the same. */
export const halfLivesDays = [1, 14] as const

/** Days after which a count weighs less than a thousandth and is left out. */
export const decayHorizonDays = 140

/** Weight of a count of an epoch day at a time (epoch microseconds). Today weighs 1; a day counts from its middle. */
export function decayWeight(day: number, at: number): number {
  const age = Math.max(0, at / 86_400_000_000 - (day + 0.5))
  let weight = 0
  for (const halfLife of halfLivesDays) weight += 0.5 ** (age / halfLife)
  return weight / halfLivesDays.length
}

/** The decayed sum of per-day counts. */
export function decayedCount(days: readonly (readonly [number, number])[], at: number): number {
  return days.reduce((sum, [day, count]) => sum + count * decayWeight(day, at), 0)
}
