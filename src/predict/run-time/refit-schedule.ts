import { type FitJob, type FittedPanel, fitPanel, type MemberOptions } from '../boosting/tree-panel.js'
import type { RunTimeModel } from './run-time-model.js'
import { type Phase, phases } from './run-time-query.js'

/**
 * The panel that serves: Huber's loss, and two on what the ridge leaves, by absolute error and by Huber's. Members that see the
 * same differ too little to be worth mixing, so two of them see a part; a third of its own kind, by absolute error on the whole,
 * doubled the tail under overload, where trees cannot extrapolate.
 */
export const panelMembers: readonly MemberOptions[] = [
  member({ loss: 'absolute', seed: 1, rowShare: 0.8, columnShare: 0.6, onOffset: true }),
  member({ loss: 'huber', seed: 2 }),
  member({ loss: 'huber', seed: 3, rowShare: 0.8, columnShare: 0.6, onOffset: true }),
]

function member(own: Partial<MemberOptions>): MemberOptions {
  return {
    loss: 'huber',
    trees: 60,
    depth: 5,
    rate: 0.1,
    leafMin: 10,
    rowShare: 1,
    columnShare: 1,
    seed: 1,
    onOffset: false,
    ...own,
  }
}

/** Labels that a refit learns from at most. */
export const rowsMax = 4000
/** First refit, and the labels between two: often while little is known, seldom when it takes longer. */
const firstAt = 100
const nextAfter = (labels: number): number => (labels < 600 ? 100 : 250)
/** A refit begun at label k serves from label k + 20, whatever it takes, so that figures of a replay repeat exactly. */
const servesAfter = 20

/** Refits inside a replay, which waits for them. On a server the same jobs run in a worker thread and nobody waits. */
export class ReplayRefits {
  readonly #model: RunTimeModel
  #nextAt = firstAt
  #jobs: readonly { readonly phase: Phase; readonly job: FitJob }[] = []
  #dueAt = 0

  constructor(model: RunTimeModel) {
    this.#model = model
  }

  /** To be called after each label. */
  labelled(): void {
    const { labels } = this.#model
    if (labels >= this.#nextAt) {
      this.#jobs = phases.map((phase) => ({ phase, job: this.#model.job(phase) }))
      this.#nextAt = labels + nextAfter(labels)
      this.#dueAt = labels + servesAfter
    }
    if (this.#jobs.length === 0 || labels < this.#dueAt) return
    for (const { phase, job } of this.#jobs) if (job.rows.length > 0) this.#model.adopt(phase, fitPanel(job))
    this.#jobs = []
  }
}

/** Where refits run on a server. */
export interface Fitter {
  fit(job: FitJob): Promise<FittedPanel>
}

/** Refits on a server: one at a time, elsewhere; predictions go on with the last panel, and a failed refit changes nothing. */
export class BackgroundRefits {
  readonly #model: RunTimeModel
  readonly #fitter: Fitter
  #nextAt: number
  #busy = false

  constructor(model: RunTimeModel, fitter: Fitter) {
    this.#model = model
    this.#fitter = fitter
    this.#nextAt = model.labels + firstAt
  }

  /** To be called after each label; never throws and never waits. */
  labelled(): void {
    const { labels } = this.#model
    if (this.#busy || labels < this.#nextAt) return
    this.#busy = true
    this.#nextAt = labels + nextAfter(labels)
    void this.#refit().finally(() => {
      this.#busy = false
    })
  }

  async #refit(): Promise<void> {
    for (const phase of phases) {
      const job = this.#model.job(phase)
      if (job.rows.length < firstAt) continue
      const fitted = await this.#fitter.fit(job).catch(() => undefined)
      if (fitted !== undefined) this.#model.adopt(phase, fitted)
    }
  }
}
