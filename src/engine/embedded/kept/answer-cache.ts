import type { NodeId } from '../../../model/node.js'
import type { ResultFormat } from '../../../model/query.js'
import type { SegmentId } from '../../../model/segment.js'
import { KeptByWorth } from '../../../scheduler/kept-by-worth.js'

/** A whole encoded answer, and the node that made it. */
export interface EncodedAnswer {
  readonly bytes: Uint8Array
  readonly contentType: string
  readonly rows: number
  readonly node: NodeId
}

/** Small encoded answers in memory by segment and format: a repeat costs no task. They go with the segment they encode. */
export class AnswerCache {
  readonly #answers = new Map<string, EncodedAnswer>()
  readonly #kept: KeptByWorth<string>

  constructor(bytesMax: number) {
    this.#kept = new KeptByWorth(bytesMax)
  }

  get(segment: SegmentId, format: ResultFormat): EncodedAnswer | undefined {
    const key = `${segment} ${format}`
    const answer = this.#answers.get(key)
    if (answer !== undefined) this.#kept.use(key)
    return answer
  }

  has(segment: SegmentId): boolean {
    return this.#answers.has(`${segment} json`)
  }

  add(segment: SegmentId, format: ResultFormat, answer: EncodedAnswer, savedMs: number): void {
    const key = `${segment} ${format}`
    // A copy: bytes from another process are a piece of all that came with them, which would stay as long.
    this.#answers.set(key, { ...answer, bytes: new Uint8Array(answer.bytes) })
    // An empty answer takes room too.
    for (const gone of this.#kept.add(key, answer.bytes.length + 512, savedMs)) this.#answers.delete(gone)
  }
}
