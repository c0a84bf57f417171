import type { FileVersion } from '../model/segment.js'

const pathsMax = 20_000
/** So many spellings exist; by the time one comes round again, the file's modification second has passed. */
const spellingsMax = 500

/**
 * Spellings of paths, one for each version of a file. DuckDB caches footers and bytes by path and tells versions apart by size and
 * the second of the modification time, so a file overwritten in place within a second is answered from the old bytes (measured:
 * 50 of 100 tries). A later version is therefore read by another spelling of the same path, `/lake/././a.parquet`, for which
 * nothing is cached.
 */
export class ReadPaths {
  readonly #known = new Map<string, { readonly version: string; readonly spelling: number }>()
  #first = 0

  /** The path by which DuckDB reads this version of the file. */
  of(file: FileVersion): string {
    const version = `${file.size}\0${file.mtimeNs}\0${file.inode}`
    const known = this.#known.get(file.path)
    if (known?.version === version) return spell(file.path, known.spelling)
    if (this.#known.size >= pathsMax) {
      // What is forgotten here may still be cached under its old spelling.
      this.#known.clear()
      this.#first += spellingsMax / 10
    }
    const spelling = known === undefined ? this.#first : known.spelling + 1
    this.#known.set(file.path, { version, spelling })
    return spell(file.path, spelling)
  }
}

/** A text in which paths have their usual spelling again, e.g. an error's message. */
export function withPlainPaths(text: string): string {
  return text
    .replaceAll(/\/(?:\.\/)+/g, '/')
    .replace(/(?<=match the pattern )"[^"]*"/, (pattern) => pattern.replaceAll(/\[([[*?])\]/g, '$1'))
}

function spell(path: string, spelling: number): string {
  const slash = path.lastIndexOf('/')
  return `${path.slice(0, slash + 1)}${'./'.repeat(spelling % spellingsMax)}${path.slice(slash + 1)}`
}
