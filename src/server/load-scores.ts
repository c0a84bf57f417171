import type { NodeId } from '../model/node.js'
import type { SegmentId } from '../model/segment.js'

export interface LoadScoreSources {
  readonly hottest: (limit: number) => Promise<readonly { readonly id: SegmentId }[]>
  readonly loadScores: (segments: readonly SegmentId[]) => Promise<ReadonlyMap<NodeId, number>>
  readonly onError: (error: unknown) => void
}

const segmentsMax = 500
const keptMs = 1_000

/** Load score by node over the hottest segments, asked of the graph at most once a second. */
export class LoadScores {
  readonly #sources: LoadScoreSources
  #known: ReadonlyMap<NodeId, number> = new Map()
  #asked: { readonly at: number; readonly answer: Promise<ReadonlyMap<NodeId, number>> } | undefined

  constructor(sources: LoadScoreSources) {
    this.#sources = sources
  }

  /** The last known scores when the graph does not answer. */
  async read(): Promise<ReadonlyMap<NodeId, number>> {
    const now = performance.now()
    if (this.#asked === undefined || now - this.#asked.at > keptMs) this.#asked = { at: now, answer: this.#ask() }
    return this.#asked.answer
  }

  async #ask(): Promise<ReadonlyMap<NodeId, number>> {
    try {
      const hot = await this.#sources.hottest(segmentsMax)
      this.#known = await this.#sources.loadScores(hot.map(({ id }) => id))
    } catch (error) {
      this.#sources.onError(error)
    }
    return this.#known
  }
}
