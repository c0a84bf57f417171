import type { ErrorRecord } from '../model/errors.js'
import type { TaskMessage } from '../model/messages.js'

/** A task that was given up after too many attempts, or a message that is none. */
export interface DeadLetter {
  readonly id: string
  /** Epoch milliseconds. */
  readonly at: number
  /** Tries that it had. */
  readonly attempts: number
  readonly reason: ErrorRecord
  /** Absent when the message could not be read. */
  readonly task?: TaskMessage
}

/** Where poison tasks are kept until somebody looks at them. */
export interface DeadLetters {
  /** Resolves when it survives what the adapter promises; the same id again replaces the letter. */
  add(letter: DeadLetter): Promise<void>
  /** Oldest first. */
  list(): Promise<readonly DeadLetter[]>
  /** False when there is none of this id. */
  remove(id: string): Promise<boolean>
}

/** Most letters kept; the oldest go first. */
export const deadLettersMax = 1_000
