/**
 * Who reads and writes what, in memory: a walk of twenty hops touches thousands of rows, which SQLite hands over at a microsecond
 * each and a map in none. It follows the table by its ids, which only grow; 100,000 flows take about 20 MB.
 *
 * Datasets that a `symlinks` facet calls one and the same are one here: `head` stands for all of them.
 */
import type { Statements } from '../database.js'

interface JobFlows {
  readonly inputs: Set<number>
  readonly outputs: Set<number>
}
interface DatasetFlows {
  readonly readers: Set<number>
  readonly writers: Set<number>
}

const none: ReadonlySet<number> = new Set()

export class FlowGraph {
  readonly #sql: Statements
  readonly #jobs = new Map<number, JobFlows>()
  readonly #datasets = new Map<number, DatasetFlows>()
  readonly #heads = new Map<number, number>()
  readonly #groups = new Map<number, readonly number[]>()
  #seen = 0
  #symlinks = 0
  #cleared = 0
  #version = -1
  #epoch = 0
  /** Counts what the rows of jobs and datasets do not tell of: that datasets became one, and who uses those. */
  generation = 0

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** Takes in what was written since the last call. The answer changes whenever anything in the database did. */
  refresh(): number {
    const [version] = this.#sql.first<[number]>('PRAGMA data_version') as [number]
    if (version === this.#version) return this.#epoch
    this.#version = version
    const [cleared = 0] = this.#sql.first<[number]>('SELECT times FROM ol_cleared') ?? []
    const [symlinks = 0] = this.#sql.first<[number]>('SELECT count(*) FROM ol_symlinks') ?? []
    if (cleared !== this.#cleared || symlinks !== this.#symlinks) this.#startOver()
    this.#cleared = cleared
    this.#symlinks = symlinks
    this.#follow()
    return ++this.#epoch
  }

  /** The dataset that stands for this one. */
  head(dataset: number): number {
    return this.#heads.get(dataset) ?? dataset
  }

  /** The datasets that a head stands for, itself included. */
  members(head: number): readonly number[] {
    return this.#groups.get(head) ?? [head]
  }

  inputs(job: number): ReadonlySet<number> {
    return this.#jobs.get(job)?.inputs ?? none
  }

  outputs(job: number): ReadonlySet<number> {
    return this.#jobs.get(job)?.outputs ?? none
  }

  readers(dataset: number): ReadonlySet<number> {
    return this.#datasets.get(dataset)?.readers ?? none
  }

  writers(dataset: number): ReadonlySet<number> {
    return this.#datasets.get(dataset)?.writers ?? none
  }

  /** Jobs at most `depth` hops from some jobs, nearest first: two jobs are one hop apart when they share a dataset. */
  around(
    start: Iterable<number>,
    depth: number,
    max: number,
  ): { readonly jobs: ReadonlySet<number>; readonly truncated: boolean } {
    const jobs = new Set(start)
    let frontier: readonly number[] = [...jobs]
    for (let hop = 0; hop < depth && frontier.length > 0; hop++) {
      const next: number[] = []
      for (const job of frontier) {
        for (const near of this.#neighbours(job)) {
          if (jobs.has(near)) continue
          if (jobs.size >= max) return { jobs, truncated: true }
          jobs.add(near)
          next.push(near)
        }
      }
      frontier = next
    }
    return { jobs, truncated: false }
  }

  *#neighbours(job: number): Iterable<number> {
    for (const datasets of [this.inputs(job), this.outputs(job)]) {
      for (const dataset of datasets) {
        yield* this.readers(dataset)
        yield* this.writers(dataset)
      }
    }
  }

  #startOver(): void {
    this.generation++
    this.#jobs.clear()
    this.#datasets.clear()
    this.#heads.clear()
    this.#groups.clear()
    this.#seen = 0
    this.#join()
  }

  #follow(): void {
    for (;;) {
      const rows = this.#sql.all<[number, number, number, number]>(
        'SELECT id, job, dataset, written FROM ol_flows WHERE id > ? ORDER BY id LIMIT 10000',
        this.#seen,
      )
      for (const [id, job, dataset, written] of rows) {
        this.#seen = id
        const head = this.head(dataset)
        // The head's own row does not say that it has one more reader.
        if (head !== dataset) this.generation++
        this.#add(job, head, written === 1)
      }
      if (rows.length < 10_000) return
    }
  }

  #add(job: number, dataset: number, written: boolean): void {
    let ofJob = this.#jobs.get(job)
    if (ofJob === undefined) this.#jobs.set(job, (ofJob = { inputs: new Set(), outputs: new Set() }))
    let ofDataset = this.#datasets.get(dataset)
    if (ofDataset === undefined) this.#datasets.set(dataset, (ofDataset = { readers: new Set(), writers: new Set() }))
    ;(written ? ofJob.outputs : ofJob.inputs).add(dataset)
    ;(written ? ofDataset.writers : ofDataset.readers).add(job)
  }

  /** Finds the groups of datasets that are one. Its head is the least by name of those that have a `symlinks` facet themselves. */
  #join(): void {
    const groups = new Map<number, Set<number>>()
    const holders = new Map<number, string>()
    for (const [dataset, alias, name] of this.#sql.all<[number, number, string]>(
      `SELECT s.dataset, s.alias, d.namespace || char(10) || d.name FROM ol_symlinks s JOIN ol_datasets d ON d.id = s.dataset`,
    )) {
      holders.set(dataset, name)
      const one = groups.get(dataset) ?? new Set([dataset])
      const other = groups.get(alias) ?? new Set([alias])
      // The smaller group moves: each member does so a few times at most, however many datasets share an alias.
      const [from, into] = one.size < other.size ? [one, other] : [other, one]
      for (const member of from) {
        into.add(member)
        groups.set(member, into)
      }
      groups.set(dataset, into)
      groups.set(alias, into)
    }
    for (const group of new Set(groups.values())) {
      const [head] = [...group].filter((member) => holders.has(member)).sort((a, b) => order(holders, a, b))
      if (head === undefined) continue
      this.#groups.set(head, [...group])
      for (const member of group) if (member !== head) this.#heads.set(member, head)
    }
  }
}

function order(names: ReadonlyMap<number, string>, a: number, b: number): number {
  return (names.get(a) ?? '') < (names.get(b) ?? '') ? -1 : 1
}
