/**
 * Writes with an idempotency key are done once. The commit of a write remembers what it answered and a hash of what was asked for: the same
 * write is answered from there, whatever has become of its table since, and another write with the same key is refused.
 */
import { ForebayError } from '../../../model/errors.js'
import type { CommitOptions, EngineCatalog } from '../engine-options.js'
import type { EngineParts } from '../engine-parts.js'

export interface KeyedWrite {
  readonly tenant: string
  /** As the client gave it. */
  readonly key: string
  /** Of everything that the client asked for. */
  readonly hash: string
}

/** Makes what a commit remembers of an answer. */
export type Remember<A> = (answer: A) => CommitOptions

/** The hash is absent where an earlier version remembered the answer. */
type Remembered<A> = A & { readonly write?: string }

/** What this very write has answered, if it was done. */
export async function answerBefore<A extends object>(catalog: EngineCatalog, write: KeyedWrite): Promise<A | undefined> {
  const remembered = await rememberedOf<A>(catalog, write)
  return remembered?.write === write.hash ? answerOf(remembered) : undefined
}

/** Does a write, once if it has a key. Rejects with CONFLICT where the key was another write's. */
export async function writeOnce<A extends object>(
  parts: EngineParts,
  write: KeyedWrite | undefined,
  signal: AbortSignal,
  work: (remember: Remember<A>) => Promise<A>,
): Promise<A> {
  if (write === undefined) return work(() => ({}))
  const key = storedKey(write)
  // The same write that is under way decides first; only if it fails is it done again.
  for (let other = parts.writes.get(key); other !== undefined; other = parts.writes.get(key)) {
    await Promise.race([other, aborted(signal)])
    signal.throwIfAborted()
  }
  const done = unlessDone(parts.catalog, write, work)
  parts.writes.set(
    key,
    done.then(
      () => {},
      () => {},
    ),
  )
  try {
    return await done
  } finally {
    parts.writes.delete(key)
  }
}

async function unlessDone<A extends object>(
  catalog: EngineCatalog,
  write: KeyedWrite,
  work: (remember: Remember<A>) => Promise<A>,
): Promise<A> {
  const remembered = await rememberedOf<A>(catalog, write)
  if (remembered === undefined) {
    return work((answer) => ({ idempotencyKey: storedKey(write), result: { ...answer, write: write.hash } }))
  }
  if ((remembered.write ?? write.hash) === write.hash) return answerOf(remembered)
  throw new ForebayError('CONFLICT', `idempotency key "${write.key}" was used for another write`, {
    hint: 'give every write a key of its own; the same key only repeats the same write with the same parameters',
  })
}

async function rememberedOf<A>(catalog: EngineCatalog, write: KeyedWrite): Promise<Remembered<A> | undefined> {
  const { tenant, key } = write
  const result = await catalog.rememberedResult(storedKey(write))
  // Earlier versions wrote every tenant as it is.
  const former = result === undefined && !tenant.includes(':') ? await catalog.rememberedResult(`${tenant}:${key}`) : undefined
  return (result ?? former) as Remembered<A> | undefined
}

function answerOf<A extends object>(remembered: Remembered<A>): A {
  const { write: _, ...answer } = remembered
  return answer as unknown as A
}

/** The tenant ends at the first colon, whatever is in the key. */
function storedKey({ tenant, key }: KeyedWrite): string {
  return `${encodeURIComponent(tenant)}:${key}`
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
