import { spawnSync } from 'node:child_process'

/**
 * Child processes and threads run from dist/, so it is compiled before the first test. A type error does not stop the
 * tests: the compiler emits all the same, and `npm run check` is what holds the types.
 */
export default function build(): void {
  spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
}
