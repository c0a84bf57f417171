/**
 * Does work under a signal that ends with whichever of these ends first, for its reason. AbortSignal.any would leave a reference
 * at each of them for as long as it lives (60 to 80 bytes a call in Node 20.20), which a server that runs for weeks would not get
 * back; and with an AbortSignal.timeout that nobody else holds it would not end any more once garbage was collected.
 */
export async function underEither<T>(signals: readonly AbortSignal[], work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const either = new AbortController()
  const follow = ({ target }: Event): void => either.abort((target as AbortSignal).reason)
  for (const signal of signals) {
    if (signal.aborted) either.abort(signal.reason)
    signal.addEventListener('abort', follow, { once: true })
  }
  try {
    return await work(either.signal)
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', follow)
  }
}
