import { isDeepStrictEqual } from 'node:util'
import type { RelationDefinition } from '../../model/catalogue.js'
import { foldName } from '../../model/fold-name.js'
import type { DatasetRead, Plan, Stage, Work } from '../../model/query.js'
import { type AstObject, type AstValue, parseAst } from '../ast-text.js'
import { child, isClass, rewrite, walk } from '../ast-walk.js'
import { fillForm, type SqlForm, sqlText } from '../compared-constants.js'
import { LiteralForms } from '../literal-forms.js'
import { type LiteralText, placesOf, takeLiterals } from '../literals.js'
import type { PlanRequest } from '../planner.js'
import { Pruner, type Pruning } from '../prune/prune.js'
import type { Relation } from '../resolve/resolve-names.js'
import { bytesOf, sizesOf, splitAlike } from '../split/relation-sizes.js'
import { literalText } from '../template.js'
import { type PlanForm, type StageName, stageNames, tooLittle } from './plan-form.js'

/** A plan that others of its form are made from. */
interface FormedPlan {
  readonly plan: Plan
  /** The snapshots that it was made for. */
  readonly relations: readonly Relation[]
  readonly node: AstObject
  readonly stages: PlanForm['stages']
  readonly literalPlaces: readonly AstValue[]
  /** The constants of the tree that are exchanged, by their places. */
  readonly exchanged: ReadonlyMap<AstValue, Exchanged>
}

interface Exchanged {
  readonly constant: AstObject
  /** Index of the text's literal that it comes from. */
  readonly literal: number
}

/** A request whose literals have been taken out of its text. */
export interface FormedRequest {
  readonly text: LiteralText
  readonly tree: PlanRequest['tree']
}

const formsMax = 500
/** Forms of which a text has been seen; when there are more, all are forgotten. */
const seenMax = 5_000
/** With more segments pruning takes too long for the process that asks. */
const segmentsMax = 2_000

/**
 * Plans of statements that differ from a planned one in what their conditions compare with, or in what their tables hold by now, made
 * without a planner: the same stages with other constants, over the segments that those leave. A form is asked for when a second
 * text of it comes, and serves for a literal once it has made, for another value of it, the very plan that the planner made.
 */
export class PlanForms {
  readonly #definitionOf: (name: string) => RelationDefinition | undefined
  readonly #forms = new LiteralForms<FormedPlan>(formsMax)
  readonly #seen = new Set<string>()
  /** How often pruning would have had to ask DuckDB. */
  #asked = 0
  readonly #pruner = new Pruner({ print: () => this.#refuse(), constants: () => this.#refuse() })

  constructor(definitionOf: (name: string) => RelationDefinition | undefined) {
    this.#definitionOf = definitionOf
  }

  /** Undefined for a request that has no form: with parameters, or with a text that is too long or does not end. */
  read({ sql, params, timeZone, tree }: PlanRequest): FormedRequest | undefined {
    if (Object.keys(params).length > 0) return undefined
    try {
      // A plan's places count from the first word.
      const text = takeLiterals(sql.trimStart())
      return text === undefined ? undefined : { text: { ...text, form: `${timeZone} ${tree} ${text.form}` }, tree }
    } catch {
      return undefined
    }
  }

  /** A definition has come in the place of another, or of none. Other rows of the same columns leave every form as it is. */
  definitionChanged(before: RelationDefinition | undefined, now: RelationDefinition | undefined): void {
    if (hasSameColumns(before, now)) return
    this.#forms.clear()
    this.#seen.clear()
  }

  /** The plan of a request whose form is known and proven. */
  async plan(request: FormedRequest): Promise<Plan | undefined> {
    const form = this.#forms.serve(request.text)
    return form === undefined ? undefined : this.#tryMake(form, request)
  }

  /** True when a plan of this form has been made before, and its form is not known yet. */
  wants({ text }: FormedRequest): boolean {
    if (this.#seen.has(text.form)) return this.#forms.find(text) === undefined
    this.#seen.add(text.form)
    if (this.#seen.size > seenMax) this.#seen.clear()
    return false
  }

  /** What a planner made of a request. */
  async learn(request: FormedRequest, plan: Plan, form: PlanForm | undefined): Promise<void> {
    const known = this.#forms.find(request.text)
    if (known === undefined) {
      if (form !== undefined) this.#keep(request.text, plan, form)
      return
    }
    const made = await this.#tryMake(known, request)
    const isSame = made !== undefined && isDeepStrictEqual({ ...made, planMs: 0 }, { ...plan, planMs: 0 })
    if (isSame) this.#forms.prove(request.text)
    // The next plan of this form may do for more texts than this one does.
    else this.#forms.forget(request.text)
  }

  #keep(text: LiteralText, plan: Plan, { tree, stages, literalPlaces }: PlanForm): void {
    const relations = this.#relationsOf(plan)
    // Rows may have come since it was planned.
    if (relations === undefined || relations.some(({ snapshot }, index) => snapshot.id !== plan.reads[index]?.snapshot)) return
    const node = parseAst(tree) as AstObject
    const exchanged = new Map<AstValue, Exchanged>()
    const places = placesOf(node, text.literals)
    walk(node, (constant) => {
      const place = constant.query_location ?? null
      const literal = isClass(constant, 'CONSTANT') ? places.get(place) : undefined
      const once = timesIn(stages.whole?.places ?? [], place) === 1 && timesIn(literalPlaces, place) === 1
      if (literal !== undefined && once) exchanged.set(place, { constant, literal })
      return true
    })
    const literals = new Set([...exchanged.values()].map(({ literal }) => literal))
    this.#forms.keep(text, literals, { plan, relations, node, stages, literalPlaces, exchanged })
  }

  /** What the datasets of a plan are now; undefined where they are too large. */
  #relationsOf(plan: Plan): readonly Relation[] | undefined {
    const relations: Relation[] = []
    for (const { relation, dataset } of plan.reads) {
      const definition = this.#definitionOf(foldName(dataset))
      if (definition?.kind !== 'dataset') return undefined
      relations.push({ relation, snapshot: definition.snapshot })
    }
    const segments = relations.reduce((sum, { snapshot }) => sum + snapshot.segments.length, 0)
    return segments > segmentsMax ? undefined : relations
  }

  /** A form that fails is forgotten: its statements are planned as any other. */
  async #tryMake(form: FormedPlan, request: FormedRequest): Promise<Plan | undefined> {
    try {
      return await this.#make(form, request)
    } catch {
      this.#forms.forget(request.text)
      return undefined
    }
  }

  /** Undefined where something about these literals is for a planner to decide. */
  async #make(form: FormedPlan, { text, tree }: FormedRequest): Promise<Plan | undefined> {
    const startedAt = performance.now()
    const constants = constantsOf(form, text)
    const relations = this.#relationsOf(form.plan)
    if (constants === undefined || relations === undefined) return undefined
    const asked = this.#asked
    const node = rewrite(form.node, (part) =>
      isClass(part, 'CONSTANT') ? constants.get(part.query_location ?? null) : undefined,
    ) as AstObject
    const pruned = await this.#pruner.prune(node, relations)
    if (this.#asked !== asked) return undefined
    const reads = readsNow(form, relations, pruned)
    const why = whyNow(form, relations, reads, tree)
    const work = why === undefined ? undefined : filledWork(form, constants, why)
    if (work === undefined) return undefined
    const literals = form.plan.literals.map((literal, index) => {
      const constant = constants.get(form.literalPlaces[index] ?? null)
      return constant === undefined ? literal : literalText(constant)
    })
    return { ...form.plan, reads, work, literals, planMs: performance.now() - startedAt }
  }

  #refuse(): Promise<never> {
    this.#asked++
    return Promise.reject(new Error('only a planner asks DuckDB'))
  }
}

function hasSameColumns(before: RelationDefinition | undefined, now: RelationDefinition | undefined): boolean {
  if (before?.kind !== 'dataset' || now?.kind !== 'dataset') return false
  const namesOf = ({ snapshot, written }: typeof before): readonly unknown[] => [
    snapshot.dataset,
    written,
    snapshot.columns,
    snapshot.partitionColumns,
  ]
  return isDeepStrictEqual(namesOf(before), namesOf(now))
}

/** The constants of a form's tree with a text's values, by place; undefined where one is not printed plainly. */
function constantsOf({ exchanged }: FormedPlan, text: LiteralText): ReadonlyMap<AstValue, AstObject> | undefined {
  const constants = new Map<AstValue, AstObject>()
  for (const [place, { constant, literal }] of exchanged) {
    const now = { ...constant, value: { ...child(constant, 'value'), value: text.literals[literal]?.value ?? null } }
    if (sqlText(now) === undefined) return undefined
    constants.set(place, now)
  }
  return constants
}

/** What a form's plan reads of its datasets as they are now. */
function readsNow(
  { plan }: FormedPlan,
  relations: readonly Relation[],
  pruned: ReadonlyMap<string, Pruning>,
): readonly DatasetRead[] {
  return plan.reads.map((read, index) => {
    const { segments: all, id } = relations[index]?.snapshot ?? { segments: [], id: read.snapshot }
    const { segments, prunedBy } = pruned.get(read.relation) ?? { segments: all.map((_, ordinal) => ordinal), prunedBy: [] }
    return { ...read, snapshot: id, segments, segmentsTotal: all.length, prunedBy }
  })
}

/** Why a plan's work is laid out as it is, for what is left to read now; undefined where it may be laid out in another way. */
function whyNow(
  { plan, relations: formed }: FormedPlan,
  relations: readonly Relation[],
  reads: readonly DatasetRead[],
  tree: PlanRequest['tree'],
): string | undefined {
  if (reads.length === 0) return plan.work.why
  const [sizesBefore, sizesNow] = [sizesOf(formed, plan.reads), sizesOf(relations, reads)]
  const [before, now] = [tooLittle(bytesOf(sizesBefore), tree), tooLittle(bytesOf(sizesNow), tree)]
  // With too little it runs whole, whatever the sizes are beside each other.
  if (before !== undefined && now !== undefined) return now
  if (before !== undefined || now !== undefined || !splitAlike(sizesBefore, sizesNow)) return undefined
  return plan.work.why
}

function filledWork({ plan, stages }: FormedPlan, constants: ReadonlyMap<AstValue, AstObject>, why: string): Work | undefined {
  const filled: Partial<Record<StageName, Stage>> = {}
  for (const name of stageNames) {
    const form = stages[name]
    const stage = name === 'whole' || plan.work.shape === 'split' ? (plan.work as Record<StageName, Stage>)[name] : undefined
    if (form === undefined || stage === undefined) continue
    const sql = filledSql(form, constants)
    if (sql === undefined) return undefined
    filled[name] = { ...stage, sql }
  }
  return { ...plan.work, ...filled, why } as Work
}

function filledSql({ printed, texts, places }: SqlForm, constants: ReadonlyMap<AstValue, AstObject>): string | undefined {
  const now = texts.map((text, index) => {
    const constant = constants.get(places[index] ?? null)
    return constant === undefined ? text : (sqlText(constant) ?? text)
  })
  return fillForm(printed, now)
}

function timesIn(places: readonly AstValue[], place: AstValue): number {
  return places.filter((each) => each === place).length
}
