/**
 * Histogram gradient boosting (Friedman 2001; histograms as in LightGBM, Ke et al. 2017) for one-dimensional targets. Trees grow
 * level by level; the histogram of the larger child is its parent's minus the smaller's. Splits look at gradients alone (unit
 * Hessians); leaves are then set to the exact minimiser of the loss. Typed arrays throughout: a fit of 4,000 rows × 30 features ×
 * 100 trees of depth 5 takes about a quarter of a second.
 */
import type { BinnedRows } from './bins.js'
import type { BoostedTrees } from './boosted-trees.js'
import { seededRandom } from './random.js'

export interface FitOptions {
  readonly loss: 'absolute' | 'huber'
  readonly trees: number
  readonly depth: number
  readonly rate: number
  readonly leafMin: number
  /** Share of rows and of columns that each tree sees. */
  readonly rowShare: number
  readonly columnShare: number
  readonly seed: number
}

interface Split {
  readonly feature: number
  readonly bin: number
  readonly gain: number
}

interface Leaf {
  readonly node: number
  readonly from: number
  readonly to: number
  readonly sums: Float64Array
}

export function fitTrees(binned: BinnedRows, target: ArrayLike<number>, options: FitOptions): BoostedTrees {
  const grower = new Grower(binned, target, options)
  for (let t = 0; t < options.trees; t++) grower.grow()
  return grower.trees()
}

class Grower {
  readonly #binned: BinnedRows
  readonly #options: FitOptions
  readonly #random: () => number
  readonly #residual: Float64Array
  readonly #gradient: Float64Array
  /** Row numbers of the current tree's sample, kept sorted by leaf. */
  readonly #rows: Int32Array
  readonly #scratch: Int32Array
  readonly #width: number
  readonly #roots: number[] = []
  readonly #feature: number[] = []
  readonly #threshold: number[] = []
  readonly #left: number[] = []
  readonly #value: number[] = []
  readonly #start: number
  #sampled = 0
  #active: readonly number[] = []

  constructor(binned: BinnedRows, target: ArrayLike<number>, options: FitOptions) {
    this.#binned = binned
    this.#options = options
    this.#random = seededRandom(options.seed)
    this.#width = 1 + binned.edges.reduce((most, edges) => Math.max(most, edges.length), 0)
    this.#start = median(Float64Array.from(target))
    this.#residual = Float64Array.from(target, (y) => y - this.#start)
    this.#gradient = new Float64Array(binned.rows)
    this.#rows = new Int32Array(binned.rows)
    this.#scratch = new Int32Array(binned.rows)
  }

  trees(): BoostedTrees {
    return {
      start: this.#start,
      roots: this.#roots,
      feature: this.#feature,
      threshold: this.#threshold,
      left: this.#left,
      value: this.#value,
    }
  }

  grow(): void {
    const huber = this.#setGradients()
    this.#sample()
    const root = this.#newNode()
    this.#roots.push(root)
    let leaves: Leaf[] = [{ node: root, from: 0, to: this.#sampled, sums: this.#histogram(0, this.#sampled) }]
    const done: Leaf[] = []
    for (let depth = 0; depth < this.#options.depth && leaves.length > 0; depth++) {
      const next: Leaf[] = []
      for (const leaf of leaves) {
        const split = this.#bestSplit(leaf)
        if (split === undefined) done.push(leaf)
        else next.push(...this.#divide(leaf, split))
      }
      leaves = next
    }
    for (const leaf of [...done, ...leaves]) this.#value[leaf.node] = this.#options.rate * this.#leafValue(leaf, huber)
    this.#advance(root)
  }

  /** Gradients of the loss; gives Huber's threshold, the ninetieth percentile of the residuals' size. */
  #setGradients(): number {
    const residual = this.#residual
    const gradient = this.#gradient
    if (this.#options.loss === 'absolute') {
      for (let i = 0; i < residual.length; i++) gradient[i] = Math.sign(residual[i] as number)
      return 0
    }
    const sizes = residual.map(Math.abs).sort()
    const huber = Math.max(1e-6, sizes[Math.floor(0.9 * sizes.length)] as number)
    for (let i = 0; i < residual.length; i++) gradient[i] = Math.max(-huber, Math.min(huber, residual[i] as number))
    return huber
  }

  #sample(): void {
    const { rowShare, columnShare } = this.#options
    this.#sampled = 0
    for (let i = 0; i < this.#binned.rows; i++) {
      if (rowShare >= 1 || this.#random() < rowShare) this.#rows[this.#sampled++] = i
    }
    const all = this.#binned.edges.flatMap((edges, f) => (edges.length > 0 ? [f] : []))
    this.#active = columnShare >= 1 ? all : all.filter(() => this.#random() < columnShare)
    if (this.#active.length === 0) this.#active = all
  }

  #newNode(): number {
    this.#feature.push(-1)
    this.#threshold.push(0)
    this.#left.push(-1)
    return this.#value.push(0) - 1
  }

  /** Sum of gradients and number of rows by column and bin, interleaved. Row by row, since a row's bins stand together. */
  #histogram(from: number, to: number): Float64Array {
    const stride = this.#width * 2
    const sums = new Float64Array(this.#active.length * stride)
    const { bins, width } = this.#binned
    const rows = this.#rows
    const active = Int32Array.from(this.#active)
    for (let i = from; i < to; i++) {
      const row = rows[i] as number
      const gradient = this.#gradient[row] as number
      const first = row * width
      for (let a = 0, base = 0; a < active.length; a++, base += stride) {
        const at = base + (bins[first + (active[a] as number)] as number) * 2
        sums[at] = (sums[at] as number) + gradient
        sums[at + 1] = (sums[at + 1] as number) + 1
      }
    }
    return sums
  }

  #bestSplit(leaf: Leaf): Split | undefined {
    const { leafMin } = this.#options
    const count = leaf.to - leaf.from
    if (count < 2 * leafMin) return undefined
    let best: Split | undefined
    for (const [a, f] of this.#active.entries()) {
      const base = a * this.#width * 2
      const bins = (this.#binned.edges[f] as Float64Array).length
      let total = 0
      for (let b = 0; b <= bins; b++) total += leaf.sums[base + b * 2] as number
      const whole = (total * total) / count
      let sum = 0
      let seen = 0
      for (let b = 0; b < bins; b++) {
        sum += leaf.sums[base + b * 2] as number
        seen += leaf.sums[base + b * 2 + 1] as number
        if (seen < leafMin) continue
        if (count - seen < leafMin) break
        const gain = (sum * sum) / seen + (total - sum) ** 2 / (count - seen) - whole
        if (gain > (best?.gain ?? 1e-9)) best = { feature: f, bin: b, gain }
      }
    }
    return best
  }

  #divide(leaf: Leaf, split: Split): [Leaf, Leaf] {
    const middle = this.#partition(leaf, split)
    const left = this.#newNode()
    const right = this.#newNode()
    this.#feature[leaf.node] = split.feature
    this.#threshold[leaf.node] = (this.#binned.edges[split.feature] as Float64Array)[split.bin] as number
    this.#left[leaf.node] = left
    const leftIsSmall = middle - leaf.from < leaf.to - middle
    const small = leftIsSmall ? this.#histogram(leaf.from, middle) : this.#histogram(middle, leaf.to)
    const large = leaf.sums
    for (let i = 0; i < large.length; i++) large[i] = (large[i] as number) - (small[i] as number)
    return [
      { node: left, from: leaf.from, to: middle, sums: leftIsSmall ? small : large },
      { node: right, from: middle, to: leaf.to, sums: leftIsSmall ? large : small },
    ]
  }

  /** Stable partition of the leaf's rows; gives the first place of the right part. */
  #partition(leaf: Leaf, split: Split): number {
    const { bins, width } = this.#binned
    const rows = this.#rows
    let left = leaf.from
    let right = 0
    for (let i = leaf.from; i < leaf.to; i++) {
      const row = rows[i] as number
      if ((bins[row * width + split.feature] as number) <= split.bin) rows[left++] = row
      else this.#scratch[right++] = row
    }
    rows.set(this.#scratch.subarray(0, right), left)
    return left
  }

  /** Minimiser of the loss over the leaf: the median, for Huber's corrected by the mean of the clipped rest. */
  #leafValue(leaf: Leaf, huber: number): number {
    const values = new Float64Array(leaf.to - leaf.from)
    for (let i = leaf.from; i < leaf.to; i++) values[i - leaf.from] = this.#residual[this.#rows[i] as number] as number
    const middle = median(values)
    if (this.#options.loss === 'absolute' || values.length === 0) return middle
    let sum = 0
    for (const value of values) sum += Math.max(-huber, Math.min(huber, value - middle))
    return middle + sum / values.length
  }

  /** Takes the new tree's values off the residuals of all rows, sampled or not. */
  #advance(root: number): void {
    const { bins, width, edges, rows } = this.#binned
    const cuts = new Uint8Array(this.#feature.length)
    for (let node = root; node < this.#feature.length; node++) {
      const feature = this.#feature[node] as number
      if (feature >= 0) cuts[node] = (edges[feature] as Float64Array).indexOf(this.#threshold[node] as number)
    }
    for (let row = 0; row < rows; row++) {
      let node = root
      for (let f = this.#feature[node] as number; f >= 0; f = this.#feature[node] as number) {
        const goesLeft = (bins[row * width + f] as number) <= (cuts[node] as number)
        node = (this.#left[node] as number) + (goesLeft ? 0 : 1)
      }
      this.#residual[row] = (this.#residual[row] as number) - (this.#value[node] as number)
    }
  }
}

/** Sorts its argument in place. 0 when empty. */
function median(values: Float64Array): number {
  if (values.length === 0) return 0
  values.sort()
  const middle = values.length >> 1
  const upper = values[middle] as number
  return values.length % 2 === 1 ? upper : ((values[middle - 1] as number) + upper) / 2
}
