/**
 * From the log to the graph. The order of the log was turned into marks before (see lineage-index.ts), so what happens here is
 * pure: the same marked events give the same batch, for whichever store. Within a batch events are taken one after the other, so
 * that a fold takes what came before it and a segment that is made again afterwards starts anew.
 */
import type { LineageEvent } from '../../model/lineage-event.js'
import type { LogOffset } from '../lineage-store.js'
import type { MarkedEvent, Renames } from '../log/marked-event.js'
import { addExternal } from '../openlineage/external-contribution.js'
import { parsedEvent } from '../openlineage/parsed-event.js'
import { addAnswer, addSnapshot, addTask, addWritten, type SnapshotLookup } from './contribution.js'
import type { GraphDelta } from './graph-delta.js'

/** What marked events refer to. */
export interface ProjectionContext {
  readonly snapshot: SnapshotLookup
  /** An event of the log by its offset. */
  readonly event: (offset: LogOffset) => LineageEvent
}

/** Adds the changes that an event of the log makes to those of the events before it. */
export function projectEvent(delta: GraphDelta, { event, marks }: MarkedEvent, context: ProjectionContext): void {
  if (marks.setAside === true) return
  if (event.kind === 'openlineage') addExternal(delta, parsedEvent(event), event.at, marks.external)
  else if (marks.deferred === undefined) contribute(delta, event, marks.renames ?? {}, context.snapshot)
  for (const release of marks.releases ?? []) {
    contribute(delta, context.event(release.offset), release.renames ?? {}, context.snapshot)
  }
  for (const { write, written, renames } of marks.links ?? []) {
    const task = context.event(write)
    const commit = context.event(written)
    if (commit.kind !== 'written' || !isTask(task)) continue
    addWritten(delta, task, commit, context.snapshot, renames ?? {})
  }
  for (const fold of marks.folds ?? []) delta.fold(fold.from, fold.into)
}

function contribute(delta: GraphDelta, event: LineageEvent, renames: Renames, snapshot: SnapshotLookup): void {
  if (isTask(event)) addTask(delta, event, snapshot, renames)
  else if (event.kind === 'snapshot') addSnapshot(delta, event)
  else if (event.kind === 'answer') addAnswer(delta, event, renames)
}

/** Whether an event is the record of a task. */
export function isTask(event: LineageEvent): event is Extract<LineageEvent, { kind: 'task' | 'pack' | 'write' | 'import' }> {
  return event.kind === 'task' || event.kind === 'pack' || event.kind === 'write' || event.kind === 'import'
}
