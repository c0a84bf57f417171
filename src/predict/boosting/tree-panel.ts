import { binRows } from './bins.js'
import { type BoostedTrees, TreeEnsemble } from './boosted-trees.js'
import { type FitOptions, fitTrees } from './fit-trees.js'

/** All that a fit needs: plain data, so that it can be sent to a worker thread. */
export interface FitJob {
  readonly rows: readonly Float64Array[]
  readonly targets: Float64Array
  /** What a linear model says of each row: the third member learns the rest of it. */
  readonly offsets: Float64Array
  readonly members: readonly MemberOptions[]
}
export type FittedPanel = readonly BoostedTrees[]

export interface MemberOptions extends FitOptions {
  /** Learns the target minus the offset, and is added to the offset when asked. */
  readonly onOffset: boolean
}

const bins = 32

/** Fits the members of a panel; what a worker thread runs. */
export function fitPanel(job: FitJob): FittedPanel {
  const binned = binRows(job.rows, job.rows[0]?.length ?? 0, bins)
  const rest = job.targets.map((target, i) => target - (job.offsets[i] as number))
  return job.members.map((member) => fitTrees(binned, member.onOffset ? rest : job.targets, member))
}

/** A fitted panel, ready to predict. */
export class TreePanel {
  readonly #members: readonly { readonly trees: TreeEnsemble; readonly onOffset: boolean }[]

  constructor(fitted: FittedPanel, members: readonly MemberOptions[]) {
    this.#members = fitted.map((trees, i) => ({
      trees: new TreeEnsemble(trees),
      onOffset: members[i]?.onOffset ?? false,
    }))
  }

  /** What each member says. */
  predict(x: ArrayLike<number>, offset: number): readonly number[] {
    return this.#members.map(({ trees, onOffset }) => trees.predict(x) + (onOffset ? offset : 0))
  }
}
