import { type Database, Statements } from '../database.js'
import { decayedCount, decayHorizonDays, decayWeight } from '../decay.js'
import { parseDays } from '../graph/days.js'
import type { HotSegment, NodeWork } from '../lineage-store.js'
import { processedBy } from './graph-schema.js'

/** Reads decayed counts from a graph's database. */
export class SqliteHeat {
  readonly #sql: Statements

  constructor(database: Database) {
    // By its key: weights that come as JSON are gone through from their first day on for every row of the scan.
    database.exec('CREATE TEMP TABLE IF NOT EXISTS weights (day INTEGER PRIMARY KEY, weight REAL NOT NULL)')
    this.#sql = new Statements(database)
  }

  /** One scan over per-day counts. */
  hottest(limit: number, at: number): HotSegment[] {
    this.#weigh(at)
    const rows = this.#sql.all<[string, string | null, number, number]>(
      `WITH h AS (SELECT segment, sum(count) AS degree, sum(count * coalesce(weight, 0)) AS hotness
         FROM heat LEFT JOIN weights USING (day) GROUP BY segment ORDER BY hotness DESC, segment LIMIT ?)
       SELECT v.name, v.dataset, h.degree, h.hotness FROM h CROSS JOIN vertices v ON v.id = h.segment ORDER BY h.hotness DESC, v.name`,
      limit,
    )
    return rows.map(([id, dataset, degree, hotness]) => ({ id, dataset, degree, hotness }))
  }

  work(segments: readonly string[], at: number): NodeWork[] {
    const rows = this.#sql.all<[string, string, string, string, string]>(
      `SELECT n.name, v.name, x.type, x.detail, e.days FROM json_each(?) f CROSS JOIN vertices v ON v.name = f.value
         CROSS JOIN edges e ON e.source = v.id AND e.kind = ${processedBy}
         CROSS JOIN vertices n ON n.id = e.target CROSS JOIN shapes x ON x.id = e.shape`,
      JSON.stringify(segments),
    )
    return rows.map(([node, segment, transformation, detail, days]) => ({
      node: node.replace(/^node:/, ''),
      segment,
      transformation,
      detail,
      decayedCount: decayedCount(parseDays(days), at),
    }))
  }

  #weigh(at: number): void {
    const today = Math.floor(at / 86_400_000_000)
    this.#sql.run('DELETE FROM weights')
    for (let day = today - decayHorizonDays; day <= today + 1; day++) {
      this.#sql.run('INSERT INTO weights VALUES (?, ?)', day, decayWeight(day, at))
    }
  }
}
