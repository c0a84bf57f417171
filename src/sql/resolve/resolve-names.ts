import { ForebayError, fromErrorRecord } from '../../model/errors.js'
import { foldName } from '../../model/fold-name.js'
import type { Snapshot } from '../../model/segment.js'
import type { Locate } from '../allow/check-allowed.js'
import type { AstObject, AstValue } from '../ast-text.js'
import { child, children, isObject, textOf, texts } from '../ast-walk.js'
import type { Definitions } from './definitions.js'

/** A dataset that a statement reads, under the name by which the plan's SQL calls it. One per dataset, however often it is used. */
export interface Relation {
  readonly relation: string
  readonly snapshot: Snapshot
}

/** What stands in for a reference to `information_schema` or to a SHOW; the caller replaces it by literal rows. */
export const metadataReference = 'FOREBAY_METADATA'

const placeholder = /^__fb\d+$/
const viewDepthMax = 32
/** A view of a view joined with itself, and so on, doubles at every level. */
const tableReferencesMax = 2_000

/**
 * Replaces each reference to a dataset by its placeholder (`lineitem l` → `__fb0 l`, `lineitem` → `__fb0 lineitem`), each
 * reference to a view by the view's SELECT, and refuses every other name that is not a CTE in scope. Nothing is left for
 * DuckDB to look up in a catalogue or in the file system.
 */
export class NameResolver {
  readonly #definitions: Definitions
  readonly #viewTrees: ReadonlyMap<string, AstObject>
  readonly #relations = new Map<string, Relation>()
  readonly #locate: Locate
  /** Views that are being put in place, the outermost first, each with the reference in the user's text that led there. */
  readonly #within: { readonly view: string; readonly reference: AstObject }[] = []
  #references = 0

  constructor(definitions: Definitions, viewTrees: ReadonlyMap<string, AstObject>, locate: Locate) {
    this.#definitions = definitions
    this.#viewTrees = viewTrees
    this.#locate = locate
  }

  /** In the order of first use; the placeholder's number is the index. */
  get relations(): readonly Relation[] {
    return [...this.#relations.values()]
  }

  /** A resolved copy of a query node. */
  resolve(node: AstObject): AstObject {
    return this.#query(node, new Set())
  }

  #value(value: AstValue, scope: ReadonlySet<string>): AstValue {
    if (Array.isArray(value)) return value.map((item) => this.#value(item, scope))
    if (!isObject(value)) return value
    if (value.class === 'CONSTANT') return this.#placed(value)
    if (value.class === 'COLUMN_REF') return this.#placed(unqualified(value))
    if (typeof value.class === 'string') return this.#each(value, scope)
    if (isObject(value.cte_map)) return this.#query(value, scope)
    return value.type === 'BASE_TABLE' ? this.#table(value, scope) : this.#each(value, scope)
  }

  #each(node: AstObject, scope: ReadonlySet<string>): AstObject {
    const copy: AstObject = {}
    for (const key in node) copy[key] = this.#value(node[key] as AstValue, scope)
    return this.#placed(copy)
  }

  /** A node of a view stands, in the user's text, where the view is referred to. */
  #placed(node: AstObject): AstObject {
    const [outermost] = this.#within
    if (outermost === undefined || node.query_location === undefined) return node
    return { ...node, query_location: outermost.reference.query_location ?? null }
  }

  #query(node: AstObject, outer: ReadonlySet<string>): AstObject {
    const scope = new Set(outer)
    if (node.type === 'RECURSIVE_CTE_NODE') scope.add(foldName(textOf(node, 'cte_name')))
    const map: AstValue[] = []
    for (const entry of children(child(node, 'cte_map') ?? {}, 'map')) {
      const name = foldName(textOf(entry, 'key'))
      // It would stand before the dataset of that placeholder.
      if (placeholder.test(name)) throw new ForebayError('NOT_SUPPORTED', `a CTE cannot be named "${name}"`)
      map.push({ ...entry, value: this.#value(entry.value ?? null, scope) })
      scope.add(name)
    }
    const copy: AstObject = {}
    for (const key in node) copy[key] = key === 'cte_map' ? { map } : this.#value(node[key] as AstValue, scope)
    return copy
  }

  #table(node: AstObject, scope: ReadonlySet<string>): AstObject {
    if (++this.#references > tableReferencesMax) {
      throw new ForebayError('NOT_SUPPORTED', `the statement refers to more than ${tableReferencesMax} tables, views included`)
    }
    const name = textOf(node, 'table_name')
    const schema = foldName(textOf(node, 'schema_name'))
    const catalog = foldName(textOf(node, 'catalog_name'))
    if (schema === '' && catalog === '' && scope.has(foldName(name))) return node
    if (catalog !== '' && catalog !== 'forebay') throw this.#missing(node, `${catalog}.${schema}.${name}`)
    if (schema === 'information_schema') return { ...node, type: metadataReference, alias: textOf(node, 'alias') || name }
    // `forebay.t` parses as schema "forebay".
    const plain = schema === '' || schema === 'main' || (schema === 'forebay' && catalog === '')
    if (!plain) throw this.#missing(node, `${schema}.${name}`)
    return this.#defined(node, name)
  }

  #defined(node: AstObject, name: string): AstObject {
    const definition = this.#definitions.find(name)
    if (definition === undefined) throw this.#missing(node, name)
    if (definition.kind === 'broken') throw fromErrorRecord(definition.error)
    const alias = textOf(node, 'alias') || name
    if (definition.kind === 'view') return this.#view(node, name, alias)
    const relation = this.#relation(definition.snapshot)
    return { ...node, schema_name: '', catalog_name: '', table_name: relation.relation, alias }
  }

  #relation(snapshot: Snapshot): Relation {
    const known = this.#relations.get(snapshot.dataset)
    if (known !== undefined) return known
    const relation = { relation: `__fb${this.#relations.size}`, snapshot }
    this.#relations.set(snapshot.dataset, relation)
    return relation
  }

  #view(node: AstObject, name: string, alias: string): AstObject {
    const tree = this.#viewTrees.get(foldName(name))
    if (tree === undefined) throw new ForebayError('NAME_NOT_FOUND', `view "${name}" cannot be read`)
    if (this.#within.length >= viewDepthMax) {
      throw new ForebayError('NOT_SUPPORTED', `view "${name}" refers to itself, or views nest deeper than ${viewDepthMax}`)
    }
    this.#within.push({ view: name, reference: this.#within[0]?.reference ?? node })
    const inner = this.#query(tree, new Set())
    this.#within.pop()
    return {
      type: 'SUBQUERY',
      alias,
      sample: node.sample ?? null,
      query_location: node.query_location ?? 0,
      subquery: { node: inner, named_param_map: [] },
      column_name_alias: node.column_name_alias ?? [],
    }
  }

  #missing(node: AstObject, name: string): ForebayError {
    const near = this.#definitions.nearest(name)
    const isFile = /[/\\]|\.(parquet|csv|json|jsonl|ndjson|db)$/i.test(name)
    const hint = isFile
      ? 'files are read as tables of the data folder; forebay import makes a table of a file'
      : near === undefined
        ? undefined
        : `did you mean "${near}"?`
    const within = this.#within.at(-1)
    const position = this.#locate(within?.reference ?? node)
    const reader = within === undefined ? '' : `, which view "${within.view}" reads,`
    return new ForebayError('NAME_NOT_FOUND', `table "${name}"${reader} does not exist`, {
      ...(hint === undefined ? {} : { hint }),
      ...(position === undefined ? {} : { position }),
    })
  }
}

/** `main.t.c` and `forebay.main.t.c` → `t.c`, since the tables that SQL is bound to have no schema. */
function unqualified(node: AstObject): AstObject {
  const names = texts(node, 'column_names')
  const folded = names.map(foldName)
  if (folded[0] === 'forebay' && folded[1] === 'main' && names.length > 3) return { ...node, column_names: names.slice(2) }
  if ((folded[0] === 'main' || folded[0] === 'information_schema') && names.length > 2) {
    return { ...node, column_names: names.slice(1) }
  }
  return node
}
