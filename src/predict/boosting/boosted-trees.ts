/** A fitted sum of trees. Nodes of all trees in one table; a leaf has feature −1. Plain JSON, so it can cross threads and restarts. */
export interface BoostedTrees {
  readonly start: number
  readonly roots: readonly number[]
  readonly feature: readonly number[]
  readonly threshold: readonly number[]
  readonly left: readonly number[]
  /** Of leaves, learning rate included. */
  readonly value: readonly number[]
}

/** Trees laid out for prediction. */
export class TreeEnsemble {
  readonly #start: number
  readonly #roots: Int32Array
  readonly #feature: Int16Array
  readonly #threshold: Float64Array
  readonly #left: Int32Array
  readonly #value: Float64Array

  constructor(trees: BoostedTrees) {
    this.#start = trees.start
    this.#roots = Int32Array.from(trees.roots)
    this.#feature = Int16Array.from(trees.feature)
    this.#threshold = Float64Array.from(trees.threshold)
    this.#left = Int32Array.from(trees.left)
    this.#value = Float64Array.from(trees.value)
  }

  predict(x: ArrayLike<number>): number {
    let sum = this.#start
    for (const root of this.#roots) {
      let node = root
      for (let feature = this.#feature[node] as number; feature >= 0; feature = this.#feature[node] as number) {
        const left = this.#left[node] as number
        // The right child stands next to the left one.
        node = (x[feature] as number) <= (this.#threshold[node] as number) ? left : left + 1
      }
      sum += this.#value[node] as number
    }
    return sum
  }
}
