/** Tells another program of every query, as OpenLineage events. Nothing here is waited for by a query. */
import type { Activity } from '../../../model/activity.js'
import type { LineageEvent } from '../../../model/lineage-event.js'
import type { QueryStatus } from '../../../model/query.js'
import type { EventSender, SenderStats } from './event-sender.js'
import { QueryReport, type ReportOptions } from './query-report.js'

/** Queries that are followed at once; those beyond are not told of. */
const followedMax = 20_000
/** How long the end of a query waits for what its nodes have to say of it. */
const patienceMs = 2_000
/** What tasks that were given up have to say comes within so much of the end. */
const settleMs = 250

interface Followed {
  readonly report: QueryReport
  started: boolean
  timer?: NodeJS.Timeout
}

export class QueryReporter {
  readonly #sender: EventSender
  readonly #options: ReportOptions
  readonly #followed = new Map<string, Followed>()
  #ignored = 0

  constructor(sender: EventSender, options: ReportOptions) {
    this.#sender = sender
    this.#options = options
  }

  notice(activity: Activity): void {
    if (activity.type === 'arrival') this.#followed.get(activity.queryId)?.report.planned(activity.datasets)
    else if (activity.type === 'query') this.#noticeQuery(activity.status)
  }

  recorded(events: readonly LineageEvent[]): void {
    for (const event of events) {
      if (!('queryId' in event) || event.queryId === undefined) continue
      const followed = this.#followed.get(event.queryId)
      followed?.report.recorded(event)
      if (followed?.report.whole === true) this.#endSoon(event.queryId, followed)
    }
  }

  stats(): SenderStats & { readonly ignored: number } {
    return { ...this.#sender.stats(), ignored: this.#ignored }
  }

  /** Ends the reports that wait for their nodes, and sends what can still be sent. */
  async close(): Promise<void> {
    for (const [queryId, followed] of this.#followed) if (followed.report.ended) this.#end(queryId, followed)
    await this.#sender.close(patienceMs)
  }

  #noticeQuery(status: QueryStatus): void {
    const followed = this.#followed.get(status.queryId) ?? this.#follow(status)
    if (followed === undefined) return
    const { report } = followed
    report.notice(status)
    // Before it is planned a query has no name that stays.
    if (!followed.started && (status.state === 'running' || report.ended)) {
      followed.started = true
      this.#sender.offer(report.start())
    }
    if (report.ended) {
      followed.timer ??= setTimeout(() => this.#end(status.queryId, followed), patienceMs).unref()
      if (report.whole) this.#endSoon(status.queryId, followed)
    }
  }

  #follow(status: QueryStatus): Followed | undefined {
    if (this.#followed.size >= followedMax) {
      this.#ignored++
      return undefined
    }
    const followed = { report: new QueryReport(status, this.#options), started: false }
    this.#followed.set(status.queryId, followed)
    return followed
  }

  /** All that the end must have is there; what failed tasks tell comes a moment later. */
  #endSoon(queryId: string, followed: Followed): void {
    clearTimeout(followed.timer)
    followed.timer = setTimeout(() => this.#end(queryId, followed), settleMs).unref()
  }

  #end(queryId: string, followed: Followed): void {
    clearTimeout(followed.timer)
    if (!this.#followed.delete(queryId)) return
    this.#sender.offer(followed.report.end())
  }
}
