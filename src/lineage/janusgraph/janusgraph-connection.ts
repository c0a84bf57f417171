import type { driver } from 'gremlin'
import { ForebayError } from '../../model/errors.js'
import { untilAborted } from '../../model/until-aborted.js'
import { storeAddress, withoutPassword } from '../store-url.js'

const connectTimeoutMs = 10_000
const closeTimeoutMs = 2_000
const evaluationTimeoutMs = 60_000

/** A client of a Gremlin Server that runs scripts. It does not reconnect: whoever uses it opens a new one after a failure. */
export class JanusGraphConnection {
  readonly #client: driver.Client

  private constructor(client: driver.Client) {
    this.#client = client
  }

  /** Connects to `gremlin://host:port` or, over TLS, `gremlin+s://host:port`. Rejects with UNAVAILABLE when nothing answers. */
  static async open(url: string, environment: NodeJS.ProcessEnv): Promise<JanusGraphConnection> {
    const { default: gremlin } = await import('gremlin')
    const { url: address, user, password, path } = storeAddress(url, 'GREMLIN', environment)
    const webSocket = `${address.replace(/^gremlin\+s:/, 'wss:').replace(/^gremlin:/, 'ws:')}/${path === '' ? 'gremlin' : path}`
    const authenticator =
      user === undefined ? {} : { authenticator: new gremlin.driver.auth.PlainTextSaslAuthenticator(user, password ?? '') }
    const connection = new JanusGraphConnection(new gremlin.driver.Client(webSocket, { ...authenticator }))
    try {
      await untilAborted(connection.#client.open(), AbortSignal.timeout(connectTimeoutMs))
      return connection
    } catch (error) {
      await connection.close()
      const why = error instanceof Error ? error.message : String(error)
      throw new ForebayError('UNAVAILABLE', `JanusGraph at ${withoutPassword(url)} cannot be used: ${why}`, { cause: error })
    }
  }

  /** Runs a script with texts and numbers as bindings; gives its one value. */
  async run<T>(script: string, bindings: Readonly<Record<string, string | number>> = {}, signal?: AbortSignal): Promise<T> {
    const submitted = this.#client.submit(script, bindings, {
      evaluationTimeout: evaluationTimeoutMs,
    } as driver.RequestOptions)
    return (await untilAborted(submitted, signal)).first() as T
  }

  /** Hands over the values of a script that gives many. */
  async each(script: string, take: (value: string) => void): Promise<void> {
    const stream = this.#client.stream(script, {}, { evaluationTimeout: 0, batchSize: 1_000 } as driver.RequestOptions)
    for await (const results of stream) for (const value of (results as driver.ResultSet).toArray()) take(value as string)
  }

  async close(): Promise<void> {
    await untilAborted(this.#client.close(), AbortSignal.timeout(closeTimeoutMs)).catch(() => {})
  }
}
