/**
 * The index of derived segments in documents of bounded size, so that what came since the last time is written and not all
 * of it: ten thousand entries are 3 MB. A document that the list names is not written over: a new one takes its place, the
 * list is written next, and only then is the old one emptied, so that after a crash the list names whole documents. It may
 * name entries that have gone since: their files have gone too, and who restores looks for them.
 */
import type { DerivedEntry } from '../../../scheduler/derived-index.js'
import type { EngineRecorder } from '../engine-options.js'

const listKey = 'engine:derived'
const partKey = (number: number): string => `${listKey}/${number}`
/** A document takes no further entry from here on. */
const partLengthMin = 65_536

interface Part {
  /** The document's characters and how many entries it holds; those that have gone since count. */
  readonly length: number
  readonly size: number
  /** Those of its entries that are still there. */
  readonly entries: readonly DerivedEntry[]
}

export class DerivedParts {
  readonly #recorder: Pick<EngineRecorder, 'put' | 'get'>
  #parts: ReadonlyMap<number, Part> = new Map()

  constructor(recorder: Pick<EngineRecorder, 'put' | 'get'>) {
    this.#recorder = recorder
  }

  /** The entries that were saved last. Rejects when a document is no JSON. */
  async restore(): Promise<readonly DerivedEntry[]> {
    const list = parse<number | DerivedEntry>(await this.#recorder.get(listKey))
    // In a state folder of before there were parts, all entries stand in the list's place.
    const entries = list.filter((item) => typeof item !== 'number')
    const numbers = list.filter((item) => typeof item === 'number')
    this.#parts = new Map(await Promise.all(numbers.map(async (number) => [number, await this.#part(number)] as const)))
    return [...entries, ...[...this.#parts.values()].flatMap((part) => part.entries)]
  }

  /** Writes what is not written yet. One at a time; rejects when the recorder does, and what was saved before then stands. */
  async save(entries: readonly DerivedEntry[]): Promise<void> {
    const open = new Set(entries)
    const kept = new Map<number, Part>()
    for (const [number, part] of this.#parts) {
      const rest = part.entries.filter((entry) => open.has(entry))
      if (rest.length * 2 < part.size) continue
      kept.set(number, { ...part, entries: rest })
      for (const entry of rest) open.delete(entry)
    }
    for (const [number, part] of open.size > 0 ? [...kept] : []) {
      if (part.length >= partLengthMin) continue
      kept.delete(number)
      for (const entry of part.entries) open.add(entry)
    }
    let number = -1
    for (const { text, entries: written } of inParts(open)) {
      do number += 1
      while (this.#parts.has(number))
      await this.#recorder.put(partKey(number), text)
      kept.set(number, { length: text.length, size: written.length, entries: written })
    }
    await this.#recorder.put(listKey, JSON.stringify([...kept.keys()]))
    const replaced = [...this.#parts.keys()].filter((old) => !kept.has(old))
    this.#parts = kept
    for (const old of replaced) await this.#recorder.put(partKey(old), '[]')
  }

  async #part(number: number): Promise<Part> {
    const text = await this.#recorder.get(partKey(number))
    const entries = parse<DerivedEntry>(text)
    return { length: text?.length ?? 0, size: entries.length, entries }
  }
}

function parse<T>(text: string | undefined): readonly T[] {
  return text === undefined ? [] : (JSON.parse(text) as readonly T[])
}

/** Documents that are full, and one more for the rest. */
function* inParts(
  entries: Iterable<DerivedEntry>,
): Iterable<{ readonly text: string; readonly entries: readonly DerivedEntry[] }> {
  let texts: string[] = []
  let written: DerivedEntry[] = []
  let length = 1
  for (const entry of entries) {
    const text = JSON.stringify(entry)
    texts.push(text)
    written.push(entry)
    length += text.length + 1
    if (length < partLengthMin) continue
    yield { text: `[${texts.join(',')}]`, entries: written }
    texts = []
    written = []
    length = 1
  }
  if (written.length > 0) yield { text: `[${texts.join(',')}]`, entries: written }
}
