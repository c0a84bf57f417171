import { quoteName, quoteText } from '../model/quote.js'
import { stableHash } from '../model/segment.js'
import type { Session } from './session.js'

interface Attachment {
  readonly alias: string
  readonly ready: Promise<void>
  uses: number
  keep: boolean
  usedAt: number
}

/**
 * DuckDB files that are attached read-only to one instance: packs, which stay attached until they are the longest unused of too
 * many, and derived segments, which are detached after their last use. Attaching costs about a millisecond.
 */
export class Attachments {
  readonly #control: Session
  readonly #attached = new Map<string, Attachment>()
  readonly #keptMax: number
  #turn = Promise.resolve()
  #uses = 0

  constructor(control: Session, keptMax = 64) {
    this.#control = control
    this.#keptMax = keptMax
  }

  /** Attaches the file, or joins those who use it already; the alias holds until `release`. */
  async acquire(path: string, keep: boolean): Promise<string> {
    let attachment = this.#attached.get(path)
    if (attachment === undefined) {
      const alias = `fb_${stableHash([path], 16)}`
      const ready = this.#enqueue(`ATTACH ${quoteText(path)} AS ${quoteName(alias)} (READ_ONLY)`)
      attachment = { alias, ready, uses: 0, keep, usedAt: 0 }
      this.#attached.set(path, attachment)
    }
    attachment.uses++
    attachment.usedAt = ++this.#uses
    try {
      await attachment.ready
    } catch (error) {
      this.#attached.delete(path)
      throw error
    }
    return attachment.alias
  }

  /** Ends one use. */
  async release(path: string): Promise<void> {
    const attachment = this.#attached.get(path)
    if (attachment === undefined) return
    attachment.uses--
    if (attachment.uses === 0 && !attachment.keep) await this.#detach(path)
    const kept = [...this.#attached].filter(([, entry]) => entry.keep && entry.uses === 0)
    if (kept.length <= this.#keptMax) return
    const [oldest] = kept.sort(([, a], [, b]) => a.usedAt - b.usedAt)
    if (oldest !== undefined) await this.#detach(oldest[0])
  }

  /** Detaches a file when nobody uses it any more; false when it was not attached. */
  async drop(path: string): Promise<boolean> {
    const attachment = this.#attached.get(path)
    if (attachment === undefined) return false
    attachment.keep = false
    if (attachment.uses === 0) await this.#detach(path)
    return true
  }

  has(path: string): boolean {
    return this.#attached.has(path)
  }

  async #detach(path: string): Promise<void> {
    const attachment = this.#attached.get(path)
    if (attachment === undefined) return
    this.#attached.delete(path)
    await this.#enqueue(`DETACH ${quoteName(attachment.alias)}`)
  }

  /** One connection carries them all, one after the other, in the order of the calls. */
  #enqueue(sql: string): Promise<void> {
    const done = this.#turn.then(() => this.#control.run(sql))
    this.#turn = done.catch(() => undefined)
    return done
  }
}
