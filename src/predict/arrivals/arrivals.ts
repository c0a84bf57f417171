import type { Forecast } from '../../model/forecast.js'
import type { Arrival } from '../prediction.js'

/** When queries come: habits by time of day and week, sequences, and what follows a write. */
export class Arrivals {
  /** One query came in. */
  observe(arrival: Arrival): void {
    void arrival
  }

  /** A dataset got a new snapshot: what usually follows is due. */
  written(dataset: string, at: number): void {
    void dataset
    void at
  }

  /** What is expected within `horizonMs` from `now`, soonest first. Empty when there is nothing to say. */
  forecast(now: number, horizonMs: number): readonly Forecast[] {
    void now
    void horizonMs
    return []
  }

  snapshot(): unknown {
    return {}
  }

  restore(snapshot: unknown): void {
    void snapshot
  }
}
