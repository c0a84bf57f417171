import type { AstObject } from '../ast-text.js'

/** A change that keeps what a statement means, made at each of some places of its tree. They are counted from 0 in the order of `make`. */
export interface PlacedChange {
  /** Whether the tree may have such a place at all. */
  readonly mayBeNeeded: (tree: AstObject) => boolean
  readonly make: (tree: AstObject, isWanted: (place: number) => boolean) => AstObject
}

/** The tree with the change at all of its places. */
export function changedEverywhere(change: PlacedChange, tree: AstObject): AstObject {
  return change.mayBeNeeded(tree) ? change.make(tree, () => true) : tree
}

/** The tree with the change wherever `binds` says that it still binds so; the tree itself where there is no such place. */
export async function changedWhereBound(
  change: PlacedChange,
  tree: AstObject,
  binds: (tree: AstObject) => Promise<boolean>,
): Promise<AstObject> {
  const bound = new Set<number>()
  const places = change.mayBeNeeded(tree) ? countPlaces(change, tree) : 0
  for (let place = 0; place < places; place++) {
    if (await binds(change.make(tree, (candidate) => candidate === place))) bound.add(place)
  }
  return bound.size === 0 ? tree : change.make(tree, (candidate) => bound.has(candidate))
}

function countPlaces(change: PlacedChange, tree: AstObject): number {
  let places = 0
  change.make(tree, () => {
    places += 1
    return false
  })
  return places
}
