/** Items with the same key together, groups and items in the order of their first appearance. */
export function groupBy<T>(items: Iterable<T>, key: (item: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return [...groups.values()]
}
