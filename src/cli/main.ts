#!/usr/bin/env node
import { report } from './exit-code.js'
import { makeProgram } from './program.js'

// A reader that has seen enough (`forebay tables | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

try {
  await makeProgram().parseAsync(process.argv)
} catch (error) {
  process.exitCode = report(error, process.stderr)
}
