import { randomInt } from 'node:crypto'
import { ForebayError } from '../../model/errors.js'
import { openReadOnly } from '../database.js'
import { SqliteExport } from '../sqlite/sqlite-export.js'
import { type ExportFormat, graphFormat } from './graph-formats.js'

const openMax = 4
const rowsPerPiece = 500

/** Exports under way in the reader's thread. Each holds one moment of the graph, in a transaction of its own. */
export class GraphExports {
  readonly #path: string
  readonly #open = new Map<number, Iterator<string>>()

  constructor(graphPath: string) {
    this.#path = graphPath
  }

  open(format: ExportFormat): number {
    if (this.#open.size >= openMax) throw new ForebayError('QUEUE_FULL', `${openMax} exports of the lineage graph are under way`)
    // A number that the next thread will not give: who goes on after this one has died must not get the pieces of another export.
    const id = randomInt(2 ** 47)
    this.#open.set(id, pieces(this.#path, format))
    return id
  }

  /** The next piece of text; undefined after the last. Throws UNAVAILABLE for an export that is not open: its thread has died. */
  next(id: number): string | undefined {
    const open = this.#open.get(id)
    if (open === undefined) {
      throw new ForebayError('UNAVAILABLE', 'the export of the lineage graph was cut off', { hint: 'ask again' })
    }
    return open.next().value
  }

  close(id: number): undefined {
    this.#open.get(id)?.return?.()
    this.#open.delete(id)
  }

  closeAll(): void {
    for (const id of this.#open.keys()) this.close(id)
  }
}

function* pieces(path: string, name: ExportFormat): Generator<string, undefined> {
  const format = graphFormat(name)
  const database = openReadOnly(path)
  try {
    database.exec('BEGIN')
    yield format.head
    for (const { vertices, edges } of new SqliteExport(database).batches(rowsPerPiece)) {
      yield [...vertices.map((vertex) => format.vertex(vertex)), ...edges.map((edge) => format.edge(edge))].join('')
    }
    yield format.tail
  } finally {
    database.close()
  }
}
