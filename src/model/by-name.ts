/**
 * Values by names that users give, such as those of columns. A plain object answers `constructor` and `toString` although nobody put
 * them there, and an assignment to `__proto__` leaves nothing: what is kept by such names is made and asked by these two.
 */
export type ByName<V> = Readonly<Record<string, V>>

export function byName<V>(entries: Iterable<readonly [name: string, value: V]>): ByName<V> {
  return Object.fromEntries(entries)
}

export function valueOf<V>(values: ByName<V>, name: string): V | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined
}
