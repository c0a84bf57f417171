import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { QueryRequest } from '../../model/query.js'

export interface PromisedQuery {
  readonly queryId: string
  readonly request: QueryRequest
}

/** Queries that were promised an answer, one file each, there as long as the promise stands. */
export class PromiseFolder {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Resolves when the promise survives a crash. */
  async add({ queryId, request }: PromisedQuery): Promise<void> {
    const temporary = join(this.#folder, `${queryId}.tmp`)
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(JSON.stringify(request))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, this.#path(queryId))
    await this.#syncFolder()
  }

  async remove(queryId: string): Promise<void> {
    await rm(this.#path(queryId), { force: true })
  }

  /** What stands, oldest first; half-written and unreadable files are removed. */
  async list(): Promise<readonly PromisedQuery[]> {
    const promised: PromisedQuery[] = []
    for (const name of (await readdir(this.#folder)).sort()) {
      const path = join(this.#folder, name)
      try {
        if (!name.endsWith('.json')) throw new Error('half written')
        promised.push({
          queryId: name.slice(0, -'.json'.length),
          request: JSON.parse(await readFile(path, 'utf8')) as QueryRequest,
        })
      } catch {
        await rm(path, { force: true, recursive: true })
      }
    }
    return promised
  }

  #path(queryId: string): string {
    return join(this.#folder, `${queryId}.json`)
  }

  async #syncFolder(): Promise<void> {
    const folder = await open(this.#folder, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}
