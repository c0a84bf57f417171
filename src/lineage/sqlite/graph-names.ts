import type { Statements } from '../database.js'
import type { LineageEdge } from '../lineage-store.js'

/** Most names kept in memory; beyond it the memory starts anew. */
const cachedMax = 200_000

/** Names of vertices and shapes as the integers that stand for them. */
export class GraphNames {
  readonly #sql: Statements
  readonly #vertices = new Map<string, number>()
  /** By the id of the node: the name that the table has need not be put together for each edge. */
  readonly #nodes = new Map<string, number>()
  readonly #shapes = new Map<string, { readonly id: number; readonly type: string; readonly detail: string }>()

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** The vertex's number, if there is such a vertex. */
  find(name: string): number | undefined {
    const cached = this.#vertices.get(name)
    if (cached !== undefined) return cached
    const row = this.#sql.first<[number]>('SELECT id FROM vertices WHERE name = ?', name)
    if (row !== undefined) this.#remember(name, row[0])
    return row?.[0]
  }

  /** The vertex's number; a vertex that is not known yet is made without properties. */
  intern(name: string): number {
    const known = this.find(name)
    if (known !== undefined) return known
    const row = this.#sql.first<[number]>('INSERT INTO vertices (name) VALUES (?) RETURNING id', name) as [number]
    this.#remember(name, row[0])
    return row[0]
  }

  /** The number of a node's vertex, made when it is not known yet. */
  internNode(id: string): number {
    const known = this.#nodes.get(id)
    if (known !== undefined) return known
    const number = this.intern(nodeName(id))
    if (this.#nodes.size >= cachedMax) this.#nodes.clear()
    this.#nodes.set(id, number)
    return number
  }

  /** The shape's number. Should two details ever claim one shape, the smaller text stands, whichever came first. */
  shape(transformation: LineageEdge['transformation']): number {
    const { shape, type, detail } = transformation
    const cached = this.#shapes.get(shape)
    if (cached !== undefined && cached.type === type && cached.detail === detail) return cached.id
    const row = this.#sql.first<[number]>(
      `INSERT INTO shapes (shape, type, detail) VALUES (?, ?, ?)
       ON CONFLICT (shape) DO UPDATE SET type = min(type, excluded.type), detail = min(detail, excluded.detail) RETURNING id`,
      shape,
      type,
      detail,
    ) as [number]
    if (this.#shapes.size >= cachedMax) this.#shapes.clear()
    this.#shapes.set(shape, { id: row[0], type, detail })
    return row[0]
  }

  forget(name: string): void {
    this.#vertices.delete(name)
  }

  /** Forgets all, after a rollback or a clear: numbers may have gone. */
  clear(): void {
    this.#vertices.clear()
    this.#nodes.clear()
    this.#shapes.clear()
  }

  #remember(name: string, id: number): void {
    if (this.#vertices.size >= cachedMax) this.#vertices.clear()
    this.#vertices.set(name, id)
  }
}

/** Nodes and segments share one table of names. */
export function nodeName(id: string): string {
  return `node:${id}`
}
