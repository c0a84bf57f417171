/**
 * Shares out a whole number by weights with the largest-remainder method: the shares are whole and add up to the total exactly, so
 * sums over edges equal the costs of tasks however events are ordered. Equal remainders go to the lower index. Where all weights
 * are zero, all count alike. Products beyond 2^53 are taken in BigInt.
 */
export function apportion(total: number, weights: readonly number[]): number[] {
  const count = weights.length
  if (count === 0) return []
  if (count === 1) return [total]
  if (total === 0) return weights.map(() => 0)
  const sum = weights.reduce((a, b) => a + b, 0)
  if (sum === 0)
    return apportion(
      total,
      weights.map(() => 1),
    )
  const exact = total <= Number.MAX_SAFE_INTEGER / sum
  const shares: number[] = []
  const remainders: number[] = []
  let left = total
  for (let index = 0; index < count; index++) {
    const weight = weights[index] ?? 0
    if (exact) {
      shares[index] = Math.floor((total * weight) / sum)
      remainders[index] = total * weight - (shares[index] ?? 0) * sum
    } else {
      const product = BigInt(total) * BigInt(weight)
      shares[index] = Number(product / BigInt(sum))
      remainders[index] = Number(product % BigInt(sum))
    }
    left -= shares[index] ?? 0
  }
  if (left === 0) return shares
  const order = remainders.map((_, index) => index).sort((a, b) => (remainders[b] ?? 0) - (remainders[a] ?? 0) || a - b)
  for (const index of order.slice(0, left)) shares[index] = (shares[index] ?? 0) + 1
  return shares
}
