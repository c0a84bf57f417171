import { ForebayError } from '../model/errors.js'
import { readConfiguration, readCredentials, type ServerConfiguration } from '../server/configuration.js'
import { boundHeapGrowth } from '../server/heap-growth.js'
import { openServer, refuseUnavailable, serverLog } from '../server/open-server.js'
import { type CommandContext, text } from './context.js'
import { UsageError } from './exit-code.js'

/** Flags of `forebay serve` and `forebay doctor` by the key of the configuration that they set. */
function configurationFlags(options: CommandContext['options']): Record<string, unknown> {
  const { data, state, host, port, nodes, tree, memory, disk, tokenFile, engine, lineage, queue, proactive, logLevel } = options
  const { provisioner } = options
  const tls = { certFile: options['tlsCert'], keyFile: options['tlsKey'] }
  return {
    data,
    state,
    host,
    port,
    nodes,
    tree,
    memory,
    disk,
    tokenFile,
    engine,
    lineage,
    queue,
    provisioner,
    proactive,
    logLevel,
    ...(tls.certFile === undefined && tls.keyFile === undefined ? {} : { tls }),
  }
}

/** What the command was told, checked; a wrong flag, variable or key is wrong usage. */
export function toldConfiguration({ options, environment }: CommandContext): ServerConfiguration {
  const file = text(options['config'])
  try {
    const told = readConfiguration({ flags: configurationFlags(options), environment, ...(file === undefined ? {} : { file }) })
    refuseUnavailable(told)
    readCredentials(told)
    return told
  } catch (error) {
    throw error instanceof ForebayError ? new UsageError(error.message, error.hint) : error
  }
}

/** Time for closing everything after the last query has ended. */
const closeMsMax = 15_000

/** `forebay serve`: resolves when the server has been stopped. */
export async function serve(context: CommandContext): Promise<void> {
  const { output } = context
  boundHeapGrowth()
  const configuration = toldConfiguration(context)
  const log = serverLog(configuration)
  // A promise that nobody waited for failed: a fault to report, but no reason to end every query that runs.
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled failure'))
  const stop = new AbortController()
  const stopped = untilToldToStop(stop)
  const server = await openServer(configuration, { log })
  output.stdout.write(`forebay ready ${server.url}\n`)
  await stopped
  // A supervisor must not wait for ever for something that does not close.
  setTimeout(() => {
    log.error('the stop takes too long: ending at once')
    process.exit(1)
  }, configuration.drain + closeMsMax).unref()
  await server.close(stop.signal)
  // Whatever still keeps the process alive must not keep a supervisor waiting.
  process.exit(0)
}

/** Resolves at the first SIGTERM or SIGINT; the second one aborts what is waited for, the third one ends the process. */
function untilToldToStop(stop: AbortController): Promise<void> {
  return new Promise((resolve) => {
    let told = 0
    const onSignal = (signal: NodeJS.Signals): void => {
      told += 1
      if (told === 1) resolve()
      else if (told === 2) stop.abort(new Error(`${signal} came twice`))
      else process.exit(1)
    }
    process.removeAllListeners('SIGINT')
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
