/** Brings a task's inputs here and says by which relations its statement finds them. */
import { rm } from 'node:fs/promises'
import type { BaseSegment, Pack } from '../model/segment.js'
import type { SegmentBringer } from '../transfer/bring-segment.js'
import { type BaseMove, captureTransfer, type TransferLog } from '../transfer/capture-transfer.js'
import type { ColumnChecksums } from '../transfer/column-checksums.js'
import { checkVersions } from '../transfer/file-version.js'
import type { ErrorScene } from './duckdb-error.js'
import type { FileRows } from './file-rows.js'
import type { Instance } from './instance.js'
import type { ReadPaths } from './read-paths.js'
import {
  type BaseInput,
  baseRelation,
  type DerivedFile,
  type DerivedInput,
  derivedRelation,
  type PackOrdinal,
  type Relation,
} from './relations.js'
import type { Residency } from './residency.js'
import type { RunningTask } from './running-task.js'
import type { Session } from './session.js'
import type { Spool } from './spool.js'

/** What inputs are brought with. */
export interface InputTools {
  readonly spool: Spool
  readonly bringer: SegmentBringer
  readonly checksums: ColumnChecksums
  readonly fileRows: FileRows
  readonly readPaths: ReadPaths
  readonly residency: Residency
}

/** A task's inputs, ready to be read until `release`. */
export interface ReadyInputs {
  readonly relations: readonly Relation[]
  readonly baseMoves: readonly BaseMove[]
  readonly scene: ErrorScene
  /** Rejects with SEGMENT_CHANGED when a base file is not what it was; asked again after the statement. */
  checkUnchanged(): Promise<void>
  release(): Promise<void>
}

/** Makes all inputs of a task ready. On failure nothing stays attached or copied. */
export async function prepareInputs(
  task: RunningTask,
  session: Session,
  instance: Instance,
  tools: InputTools,
  log: TransferLog,
  ordinal?: PackOrdinal,
): Promise<ReadyInputs> {
  const held: Held = { attached: [], copies: [] }
  const release = async (): Promise<void> => {
    for (const path of held.attached.splice(0)) await instance.attachments.release(path)
    await Promise.all(held.copies.splice(0).map((path) => rm(path, { force: true })))
  }
  const { inputs } = task.message
  const bases = inputs.filter((input) => input.kind === 'base')
  const segments = bases.flatMap(parquetSegments)
  const packs = bases.flatMap((input) => input.parts.flatMap((part) => (part.from === 'pack' ? [part.pack] : [])))
  const scene = {
    files: [...new Set(segments.map((segment) => segment.file.path))],
    derived: inputs.flatMap((input) => (input.kind === 'derived' ? input.sources.map(({ stored }) => stored.path) : [])),
    packs: packs.map((pack) => pack.path),
  }
  try {
    await checkVersions(segments)
    await verifyColumns(bases, tools, task.signal)
    await tools.fileRows.learn(session, segments, tools.readPaths)
    const aliases = await attachPacks(packs, instance, held)
    const relations: Relation[] = []
    for (const input of inputs) {
      task.throwIfStopped()
      if (input.kind === 'derived') relations.push(await bringDerived(input, task, instance, tools, log, held))
      else {
        const context = {
          fileRows: (segment: BaseSegment) => tools.fileRows.of(segment),
          readPath: (segment: BaseSegment) => tools.readPaths.of(segment.file),
          packAlias: (pack: Pack) => aliases.get(pack.path) ?? '',
        }
        relations.push(baseRelation(input, context, ordinal))
      }
    }
    const baseMoves = bases.flatMap((input) => movesOf(input, tools.residency))
    return { relations, baseMoves, scene, checkUnchanged: () => checkVersions(segments), release }
  } catch (error) {
    await release()
    throw Object.assign(error instanceof Error ? error : new Error(String(error)), { scene })
  }
}

interface Held {
  readonly attached: string[]
  readonly copies: string[]
}

function parquetSegments(input: BaseInput): readonly BaseSegment[] {
  return input.parts.flatMap((part) => (part.from === 'parquet' ? part.segments : []))
}

async function verifyColumns(bases: readonly BaseInput[], tools: InputTools, signal: AbortSignal): Promise<void> {
  for (const input of bases) {
    for (const part of input.parts) {
      if (part.from !== 'parquet' || part.verify.length === 0) continue
      for (const segment of part.segments) await tools.checksums.verify(segment, part.verify, signal)
    }
  }
}

async function attachPacks(packs: readonly Pack[], instance: Instance, held: Held): Promise<ReadonlyMap<string, string>> {
  const aliases = new Map<string, string>()
  for (const { path } of packs) {
    if (aliases.has(path)) continue
    aliases.set(path, await instance.attachments.acquire(path, true))
    held.attached.push(path)
  }
  return aliases
}

async function bringDerived(
  input: DerivedInput,
  task: RunningTask,
  instance: Instance,
  tools: InputTools,
  log: TransferLog,
  held: Held,
): Promise<Relation> {
  const brought = await Promise.allSettled(
    input.sources.map(async (source): Promise<DerivedFile> => {
      const { stored } = source
      const into = tools.spool.passingPath(stored.carrier)
      if (source.via === 'network') held.copies.push(into)
      const path = await captureTransfer(log, source, () =>
        tools.bringer.bring(source, into, task.signal, task.message.traceparent),
      )
      if (stored.carrier !== 'duckdb') return { stored, path }
      const alias = await instance.attachments.acquire(path, false)
      held.attached.push(path)
      return { stored, path, alias }
    }),
  )
  // All have ended when one has failed: what is held by then is given back.
  const files = brought.map((each) => {
    if (each.status === 'rejected') throw each.reason
    return each.value
  })
  return derivedRelation(input, files)
}

function movesOf(input: BaseInput, residency: Residency): readonly BaseMove[] {
  const columns = input.columns.map((column) => column.name)
  return input.parts
    .filter((part) => part.segments.length > 0)
    .map((part) => ({
      dataset: input.dataset,
      snapshot: input.snapshot,
      segments: part.segments,
      columns,
      tier: part.from,
      resident: part.from === 'pack' && residency.has(part.pack, columns),
    }))
}
