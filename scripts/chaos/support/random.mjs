/** Random numbers of a seed: what a scenario does can be done again. */
export function seeded(seed) {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (count) => Math.floor(next() * count)
  return {
    next,
    below,
    between: (from, to) => from + next() * (to - from),
    pick: (items) => items[below(items.length)],
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => below(256))),
    /** Random numbers of its own for one of several things that go on at once: their order does not matter then. */
    child: (number) => seeded(Math.imul(seed + 1, 0x9e3779b1) ^ number),
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Resolves with the first value that is not undefined or false; throws after `ms`. */
export async function until(what, ms, read) {
  const end = performance.now() + ms
  for (;;) {
    const value = await read()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) throw new Error(`${what} did not happen within ${ms} ms`)
    await sleep(20)
  }
}

export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
