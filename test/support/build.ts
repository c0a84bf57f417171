import { execFileSync } from 'node:child_process'

/** Child processes and threads run from dist/, so it is compiled before the first test. */
export default function build(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
}
