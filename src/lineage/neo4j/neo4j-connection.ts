import type { Driver, QueryResult, Record as Row, Transaction } from 'neo4j-driver'
import { ForebayError } from '../../model/errors.js'
import { untilAborted } from '../../model/until-aborted.js'
import { storeAddress, withoutPassword } from '../store-url.js'

/** Makes the driver's integer of a number: plain numbers would be stored as floats. */
type ToInteger = (value: number) => unknown

export type { Row }

const connectTimeoutMs = 10_000
/** Many questions at once take turns; how long one may take is up to the signal of whoever asks. */
const turnTimeoutMs = 60_000
const closeTimeoutMs = 2_000

/** A driver with what every statement needs. A call whose signal aborts rejects at once, whatever the server does. */
export class Neo4jConnection {
  readonly int: ToInteger
  readonly #driver: Driver
  readonly #database: { readonly database?: string }

  private constructor(driver: Driver, int: ToInteger, database: string) {
    this.#driver = driver
    this.int = int
    this.#database = database === '' ? {} : { database }
  }

  /** Connects to `neo4j://`, `bolt://` or one of their TLS forms (`+s`, `+ssc`). Rejects with UNAVAILABLE when nothing answers. */
  static async open(url: string, environment: NodeJS.ProcessEnv): Promise<Neo4jConnection> {
    const { default: neo4j } = await import('neo4j-driver')
    const { user, password, path, ...address } = storeAddress(url, 'NEO4J', environment)
    const auth = user === undefined && password === undefined ? undefined : neo4j.auth.basic(user ?? 'neo4j', password ?? '')
    const driver = neo4j.driver(address.url, auth, {
      disableLosslessIntegers: true,
      connectionTimeout: connectTimeoutMs,
      connectionAcquisitionTimeout: turnTimeoutMs,
      // A projection repeats its batch by itself, after having asked for the offset.
      maxTransactionRetryTime: 0,
      maxConnectionPoolSize: 8,
      userAgent: 'forebay',
    })
    const connection = new Neo4jConnection(driver, (value) => neo4j.int(value), path)
    try {
      await untilAborted(driver.getServerInfo(connection.#database), AbortSignal.timeout(connectTimeoutMs))
      return connection
    } catch (error) {
      await connection.close()
      const why = error instanceof Error ? error.message : String(error)
      throw new ForebayError('UNAVAILABLE', `Neo4j at ${withoutPassword(url)} cannot be used: ${why}`, { cause: error })
    }
  }

  /** Runs one statement in a transaction of its own. */
  async run(cypher: string, parameters: object = {}, signal?: AbortSignal): Promise<readonly Row[]> {
    const session = this.#driver.session(this.#database)
    try {
      const result: QueryResult = await untilAborted(session.run(cypher, parameters), signal)
      return result.records
    } finally {
      void session.close().catch(() => {})
    }
  }

  /** Runs work in one transaction: all of it, or nothing. */
  async transaction<T>(work: (transaction: Transaction) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const session = this.#driver.session(this.#database)
    try {
      const whole = async (): Promise<T> => {
        const transaction = await session.beginTransaction()
        const value = await work(transaction)
        await transaction.commit()
        return value
      }
      return await untilAborted(whole(), signal)
    } finally {
      // Ends an open transaction too; a server that hangs is not waited for.
      void session.close().catch(() => {})
    }
  }

  /** Hands over rows as they come, without holding all of them. */
  async each(cypher: string, take: (row: Row) => void): Promise<void> {
    const session = this.#driver.session({ ...this.#database, fetchSize: 2_000 })
    try {
      await new Promise<void>((resolve, reject) => {
        session.run(cypher).subscribe({ onNext: take, onCompleted: () => resolve(), onError: reject })
      })
    } finally {
      await session.close().catch(() => {})
    }
  }

  async close(): Promise<void> {
    await untilAborted(this.#driver.close(), AbortSignal.timeout(closeTimeoutMs)).catch(() => {})
  }
}
