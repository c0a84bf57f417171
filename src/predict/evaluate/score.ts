/** q-error quantiles as FORESIGHT-style tables print them: sorted[floor(p·n)]. */
export interface QErrors {
  readonly qErrorP50: number | null
  readonly qErrorP90: number | null
  readonly qErrorP99: number | null
}

/** Collects |log predicted − log actual|. */
export class QErrorScore {
  readonly #errors: number[] = []

  add(predictedLog: number, actualLog: number): void {
    this.#errors.push(Math.abs(predictedLog - actualLog))
  }

  result(): QErrors {
    const sorted = Float64Array.from(this.#errors).sort()
    const at = (p: number): number | null => (sorted.length === 0 ? null : rounded(Math.exp(quantile(sorted, p))))
    return { qErrorP50: at(0.5), qErrorP90: at(0.9), qErrorP99: at(0.99) }
  }
}

/** How well intervals held. */
export interface IntervalScores {
  readonly nominal: number
  readonly coverage: number | null
  readonly coverageWorst500: number | null
  readonly widthMedian: number | null
  readonly widthP90: number | null
  /** Mean interval score (Gneiting and Raftery 2007) in log space: width plus 2/α times what it missed by. */
  readonly score: number | null
  readonly abstainedShare: number
}

const missShare = 0.1

/** Collects intervals and outcomes in the order of the log, abstained ones apart. */
export class IntervalScore {
  readonly #hits: number[] = []
  readonly #widths: number[] = []
  #sum = 0
  #abstained = 0

  add(low: number, high: number, abstained: boolean, actualLog: number): void {
    if (abstained) {
      this.#abstained++
      return
    }
    this.#hits.push(actualLog >= low && actualLog <= high ? 1 : 0)
    this.#widths.push(high - low)
    const missed = Math.max(0, low - actualLog, actualLog - high)
    this.#sum += high - low + (2 / missShare) * missed
  }

  result(): IntervalScores {
    const { length } = this.#hits
    const widths = Float64Array.from(this.#widths).sort()
    const all = length + this.#abstained
    const mean = (sum: number): number | null => (length === 0 ? null : rounded(sum / length))
    return {
      nominal: 1 - missShare,
      coverage: mean(this.#hits.reduce((sum, hit) => sum + hit, 0)),
      coverageWorst500: worstRun(this.#hits, 500),
      widthMedian: length === 0 ? null : rounded(Math.exp(quantile(widths, 0.5))),
      widthP90: length === 0 ? null : rounded(Math.exp(quantile(widths, 0.9))),
      score: mean(this.#sum),
      abstainedShare: all === 0 ? 0 : rounded(this.#abstained / all),
    }
  }
}

function worstRun(hits: readonly number[], span: number): number | null {
  if (hits.length < span) return null
  let inside = 0
  let worst = span
  for (let i = 0; i < hits.length; i++) {
    inside += (hits[i] as number) - (i >= span ? (hits[i - span] as number) : 0)
    if (i >= span - 1) worst = Math.min(worst, inside)
  }
  return rounded(worst / span)
}

/** sorted[floor(p·n)]. */
export function quantile(sorted: Float64Array, p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] as number
}

/** Four significant digits: what is printed is what is meant. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
