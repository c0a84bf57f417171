import type { Statements } from '../database.js'

/** One column's input: field, input's dataset, its field, kind, subtype, description, masking. */
export type ColumnInput = readonly [string, number, string, string, string, string, number]

interface Word {
  readonly dataset: number
  readonly job: number
  at: string
  rows: readonly ColumnInput[]
}
interface Known {
  at: string
  /** The rows as one text; undefined when they were written by an earlier process. */
  text: string | undefined
  /** The rows themselves: the same list, said again, need not be printed. */
  rows: readonly ColumnInput[] | undefined
}

const rememberedMax = 20_000

/** The columns of an output as one job makes them: those of the job's latest word on it, all of them when it said several at once. */
export class ColumnSets {
  readonly #sql: Statements
  readonly #words = new Map<string, Word>()
  readonly #known = new Map<string, Known>()

  constructor(sql: Statements) {
    this.#sql = sql
  }

  take(dataset: number, job: number, at: string, rows: readonly ColumnInput[]): void {
    const key = `${dataset} ${job}`
    const word = this.#words.get(key)
    if (word === undefined) this.#words.set(key, { dataset, job, at, rows })
    else if (at > word.at) Object.assign(word, { at, rows })
    else if (at === word.at) word.rows = [...word.rows, ...rows]
  }

  flush(): void {
    for (const [key, word] of this.#words) this.#write(key, word)
    this.#words.clear()
  }

  forget(): void {
    this.#words.clear()
    this.#known.clear()
  }

  #write(key: string, { dataset, job, at, rows }: Word): void {
    const known = this.#knownOf(key, dataset, job)
    if (known !== undefined && known.at > at) return
    const text = known?.rows === rows ? known.text : JSON.stringify(rows)
    const same = known !== undefined && known.text !== undefined && known.text === text
    if (known?.at !== at) this.#sql.run('INSERT OR REPLACE INTO ol_column_sets VALUES (?, ?, ?)', dataset, job, at)
    if (!same) {
      if (known !== undefined && known.at < at)
        this.#sql.run('DELETE FROM ol_columns WHERE dataset = ? AND job = ?', dataset, job)
      for (const [field, ...input] of rows) {
        this.#sql.run('INSERT OR IGNORE INTO ol_columns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', dataset, field, job, ...input)
      }
    }
    if (this.#known.size >= rememberedMax) this.#known.clear()
    // Two words of one time are united in the table, which the text of one of them does not say.
    const united = known?.at === at && !same
    this.#known.set(key, { at, text: united ? undefined : text, rows: united ? undefined : rows })
  }

  #knownOf(key: string, dataset: number, job: number): Known | undefined {
    const remembered = this.#known.get(key)
    if (remembered !== undefined) return remembered
    const [at] = this.#sql.first<[string]>('SELECT at FROM ol_column_sets WHERE dataset = ? AND job = ?', dataset, job) ?? []
    return at === undefined ? undefined : { at, text: undefined, rows: undefined }
  }
}
