/** Loaded before a command with `--import`: says at its end, on the last line of stderr, how much memory it held at most. */
process.on('exit', () => process.stderr.write(`\npeak kilobytes ${process.resourceUsage().maxRSS}\n`))
