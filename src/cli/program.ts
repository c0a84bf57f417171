/**
 * The command line. Only the options stand here: what a command does is loaded when it is called, so that each starts
 * fast and none pays for the others.
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import { type CommandContext, makeContext, packageVersion } from './context.js'

type Action = (context: CommandContext, ...given: readonly string[]) => Promise<void>

const defaultUrl = 'http://127.0.0.1:4180'

/** The program with all its commands. Throws what the commands throw, and commander's errors for wrong usage. */
export function makeProgram(): Command {
  const program = new Command('forebay')
    .description('SQL over a hierarchy of nodes that has data, memory and machines ready before the next query arrives.')
    .version(packageVersion(), '-V, --version')
    .showHelpAfterError('try: forebay COMMAND --help, which shows an example')
    .exitOverride()
  serve(program)
  query(program)
  client(
    program,
    'predict <sql>',
    'What a query will need, where, how sure that is, and why.',
    'forebay predict "SELECT count(*) FROM trips"',
    {
      load: async () => (await import('./predict.js')).predict,
    },
  )
  client(
    program,
    'explain <sql>',
    'How a query would be run: segments, tiers, tree, SQL of each task.',
    'forebay explain "SELECT count(*) FROM trips"',
    {
      load: async () => (await import('./explain.js')).explain,
    },
  )
  client(program, 'tables [name]', 'Tables, or the columns and segments of one.', 'forebay tables trips', {
    load: async () => (await import('./tables.js')).tables,
  })
  client(
    program,
    'import <files...>',
    'CSV, JSON lines or Parquet files into a written table.',
    'forebay import 2026-01.csv 2026-02.csv --table trips',
    { load: async () => (await import('./import.js')).importFiles },
  )
    .requiredOption('--table <name>', 'table to create or to append to')
    .addOption(new Option('--format <format>', 'of the files; found out when absent').choices(['csv', 'json', 'parquet']))
  client(program, 'nodes', 'Nodes with their state, roles and load.', 'forebay nodes', {
    load: async () => (await import('./nodes.js')).nodes,
  })
  client(program, 'hot', 'Hot segments, hottest first.', 'forebay hot --limit 10', {
    load: async () => (await import('./hot.js')).hot,
  }).option('--limit <n>', 'how many', wholeNumber, 20)
  lineage(program)
  client(program, 'forecast', 'Queries that are expected.', 'forebay forecast --horizon 6h', {
    load: async () => (await import('./forecast.js')).forecast,
  }).option('--horizon <duration>', 'how far ahead', '24h')
  client(
    program,
    'allocations',
    'What was prepared ahead, what it was expected to save, and what it did.',
    'forebay allocations --limit 20',
    {
      load: async () => (await import('./allocations.js')).allocations,
    },
  ).option('--limit <n>', 'how many', wholeNumber, 50)
  client(program, 'status [query]', 'The state of the server, or of one query.', 'forebay status', {
    load: async () => (await import('./status.js')).status,
  }).option('--cancel', 'cancel the query')
  client(
    program,
    'dead-letters',
    'Tasks that were given up after too many attempts, and why.',
    'forebay dead-letters --replay q-0mf3k2v1c-1f2e3d4c5b6a-root',
    { load: async () => (await import('./dead-letters.js')).deadLetters },
  ).option('--replay <id>', 'run the task of this letter again')
  client(
    program,
    'learn <trace>',
    'Loads a query log into a running server as prior experience.',
    'forebay learn queries.ndjson.gz',
    {
      load: async () => (await import('./learn.js')).learn,
    },
  ).addOption(fromOption())
  local(
    program,
    'evaluate <trace>',
    'How well Forebay would have predicted and prepared a query log. Needs no server.',
    'forebay evaluate queries.ndjson.gz',
    {
      load: async () => (await import('./evaluate.js')).evaluate,
    },
  )
    .option('--fast', 'regression alone: under a millisecond a line, q-errors some percent larger')
    .option('--html <file>', 'write a report with plots, one file')
    .option('--ablate <part>', 'leave out lineage, arrivals or history; may be repeated', ablation, [])
    .addOption(fromOption())
  local(program, 'demo', 'A sample lake, a week of dashboards, reactive and proactive side by side.', 'forebay demo --keep', {
    load: async () => (await import('./demo.js')).demo,
  })
    .option('--keep', 'leave the server running and print its URL')
    .addOption(new Option('--workload <workload>', 'what comes').choices(['dashboard', 'random']).default('dashboard'))
  local(program, 'doctor', 'Checks this machine, the folders and the configuration.', 'forebay doctor', {
    load: async () => (await import('./doctor.js')).doctor,
  })
    .option('--config <file>', 'configuration file')
    .option('--data <folder>', 'data folder')
    .option('--state <folder>', 'state folder')
    .option('--port <port>', 'port that a server would take')
  return program
}

function serve(program: Command): void {
  local(program, 'serve', 'Serves a folder of Parquet files.', 'forebay serve --data ./data', {
    load: async () => (await import('./serve.js')).serve,
  })
    .option('--config <file>', 'configuration file (default: forebay.yaml when there is one)')
    .option('--data <folder>', 'data folder (default: ./data)')
    .option('--state <folder>', 'state folder (default: ./.forebay)')
    .option('--host <host>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'port to listen on, 0 takes a free one (default: 4180)')
    .option('--nodes <n>', 'node processes (default: the number of cores)')
    .addOption(new Option('--tree <mode>', 'splitting of queries (default: auto)').choices(['auto', 'always', 'never']))
    .option('--memory <size>', 'memory of all nodes together (default: 2GB)')
    .option('--disk <size>', 'disk for packs, derived segments and temporary files (default: 20GB)')
    .option('--token-file <file>', 'file with the token that clients must send')
    .option('--tls-cert <file>', 'certificate, PEM')
    .option('--tls-key <file>', 'key of the certificate, PEM')
    .addOption(new Option('--engine <engine>', 'what runs the queries (default: embedded)').choices(['embedded', 'trino']))
    .option('--lineage <url>', 'a graph database beside the embedded graph; may be repeated', collectAny)
    .option('--queue <url>', 'what carries tasks (default: embedded)')
    .option('--provisioner <url>', 'who gives and takes nodes (default: processes)')
    .addOption(new Option('--proactive <mode>', 'preparing ahead (default: on)').choices(['on', 'forecast-only', 'off']))
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal, silent (default: info)')
}

function lineage(program: Command): void {
  const command = client(
    program,
    'lineage <from>',
    'The lineage of a segment, table, query or node as a tree.',
    'forebay lineage table:trips --depth 3',
    {
      load: async () => (await import('./lineage.js')).lineage,
    },
  )
    .addOption(
      new Option('--direction <direction>', 'along which transformations')
        .choices(['upstream', 'downstream', 'both'])
        .default('upstream'),
    )
    .option('--depth <n>', 'most hops, 1–50', wholeNumber, 10)
    .option('--limit <n>', 'most edges', wholeNumber, 1000)
    .option('--as-of <time>', 'the graph as it was then, ISO-8601')
    .option('--column <name>', 'lineage of a column of the table instead')
    .option('--store <name>', 'the graph that answers: sqlite, neo4j, janusgraph')
  // An option after a subcommand's name is the subcommand's own: commander wants to hear it of both levels.
  program.enablePositionalOptions()
  command.enablePositionalOptions()
  const store = '--store <name>'
  const which = 'sqlite, neo4j, janusgraph, or its URL'
  const load = (action: 'rebuild' | 'verify' | 'exportGraph' | 'prune' | 'stores') => ({
    load: async () => (await import('./lineage-stores.js'))[action],
  })
  client(command, 'stores', 'The graphs that are kept, and how far each is behind.', 'forebay lineage stores', load('stores'))
  client(
    command,
    'rebuild',
    'Drops a graph and makes it again from the log.',
    'forebay lineage rebuild --store neo4j',
    load('rebuild'),
  ).option(store, which, 'sqlite')
  client(command, 'verify', 'Compares graphs with what the log gives.', 'forebay lineage verify', load('verify')).option(
    store,
    `${which}; all of them when absent`,
  )
  client(
    command,
    'export',
    'The whole graph as text.',
    'forebay lineage export --format cypher --output graph.cypher',
    load('exportGraph'),
  )
    .addOption(
      new Option('--format <format>', 'of the text').choices(['ndjson', 'graphml', 'cypher', 'openlineage']).default('ndjson'),
    )
    .option('--output <file>', 'file for it; it appears when it is whole')
  client(
    command,
    'prune',
    'Lets old events go, after a checkpoint of the graph.',
    'forebay lineage prune --older-than 7d',
    load('prune'),
  ).option('--older-than <duration>', 'arrived so long ago; without it only what the limits no longer allow')
}

function query(program: Command): void {
  client(
    program,
    'query [sql]',
    'Runs a statement. SQL as an argument, from a file with -f, or from standard input with -.',
    "forebay query 'SELECT count(*) FROM trips WHERE fare > $low' --param low=10 --format csv --output fares.csv",
    { load: async () => (await import('./query.js')).query },
  )
    .option('-f, --file <file>', 'file with the statement')
    .addOption(new Option('--format <format>', 'of the answer').choices(['table', 'json', 'ndjson', 'csv', 'arrow', 'parquet']))
    .option('--output <file>', 'file for the answer; it appears when it is whole')
    .addOption(
      new Option('--priority <priority>', 'urgency')
        .choices(['interactive', 'proactive', 'batch', 'background'])
        .default('interactive'),
    )
    .option('--timeout <duration>', 'give up after so long, e.g. 60s')
    .option('--param <name=value>', 'value of $name; may be repeated', collect, [])
    .option('--time-zone <zone>', 'time zone, e.g. Europe/Berlin')
    .option('--tenant <name>', 'whose query it is')
    .addOption(new Option('--tree <mode>', 'splitting of the query').choices(['auto', 'always', 'never']))
    .option('--no-reuse', 'compute everything, read no stored result')
    .option('--stats', 'statistics on stderr')
}

/** Logs of other systems that are understood; predict/import-log reads them. */
function fromOption(): Option {
  return new Option('--from <system>', "the log is another system's").choices([
    'trino-events',
    'redshift-stl',
    'snowflake-query-history',
    'postgres-csvlog',
    'openlineage',
  ])
}

interface Loader {
  readonly load: () => Promise<Action>
}

/** A command that talks to a server. */
function client(program: Command, syntax: string, description: string, example: string, loader: Loader): Command {
  return local(program, syntax, description, example, loader).option(
    '--token-file <file>',
    'file with the token (env FOREBAY_TOKEN_FILE)',
  )
}

function local(program: Command, syntax: string, description: string, example: string, { load }: Loader): Command {
  const command = program
    .command(syntax)
    .description(description)
    .option('--url <url>', `server (env FOREBAY_URL, default ${defaultUrl})`)
    .option('--json', 'JSON instead of text')
    .addHelpText('after', `\nExample:\n  $ ${example}`)
  return command.action(async (...given: readonly unknown[]) => {
    const words = given
      .slice(0, -2)
      .flat()
      .filter((word): word is string => typeof word === 'string')
    const action = await load()
    await action(makeContext(command.opts(), process, defaultUrl), ...words)
  })
}

const collectAny = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value]

function ablation(text: string, before: readonly string[]): readonly string[] {
  if (['lineage', 'arrivals', 'history'].includes(text)) return [...before, text]
  throw new InvalidArgumentError('must be lineage, arrivals or history.')
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('must be a whole number.')
}
