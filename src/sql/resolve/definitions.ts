import { type RelationDefinition, relationName } from '../../model/catalogue.js'
import { foldName } from '../../model/fold-name.js'
import { closest } from './closest.js'

/** Every name that SQL may use, as a planner process knows them at this moment. */
export class Definitions {
  readonly #byName = new Map<string, RelationDefinition>()
  #version = 0

  /** Grows with every change: a plan made under an older version may be wrong under a newer one. */
  get version(): number {
    return this.#version
  }

  get size(): number {
    return this.#byName.size
  }

  define(definition: RelationDefinition): void {
    this.#byName.set(foldName(relationName(definition)), definition)
    this.#version++
  }

  forget(name: string): void {
    if (this.#byName.delete(foldName(name))) this.#version++
  }

  find(name: string): RelationDefinition | undefined {
    return this.#byName.get(foldName(name))
  }

  /** In the order of their names. */
  all(): readonly RelationDefinition[] {
    return [...this.#byName.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, definition]) => definition)
  }

  /** The defined name nearest to a misspelt one, or undefined where none is near. */
  nearest(name: string): string | undefined {
    return closest(
      name,
      [...this.#byName.values()].map((definition) => relationName(definition)),
    )
  }
}
