/** How long to wait before the next process of a slot, after so many that ended soon: none, 0.1 s, 0.2 s … up to 10 s. */
export function restartDelayMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(10_000, 100 * 2 ** (failures - 2))
}
