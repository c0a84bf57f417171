import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Where a started server is reached. */
export interface ServerAddress {
  readonly ports: Readonly<Record<string, number>>
  /** As its file in scripts/servers names them. */
  readonly urls: Readonly<Record<string, string>>
  readonly credentials: Readonly<Record<string, string>>
}

const folder = process.env.FOREBAY_SERVERS_FOLDER ?? '.servers'
const execute = promisify(execFile)

/** The address of a server; `npm run test:servers` starts those that test files name here. Throws when it does not run. */
export function useServer(name: string): ServerAddress {
  const file = join(folder, name, 'address.json')
  if (serverPids(name).length === 0 || !existsSync(file)) {
    const failed = join(folder, name, 'failed.txt')
    const reason = existsSync(failed) ? readFileSync(failed, 'utf8') : `start it with: npm run servers -- start ${name}`
    throw new Error(`server "${name}" does not run: ${reason}`)
  }
  return JSON.parse(readFileSync(file, 'utf8')) as ServerAddress
}

/** Ends a server at once (SIGKILL), pauses it (SIGSTOP) or lets it go on (SIGCONT). */
export function signalServer(name: string, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of serverPids(name)) {
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended already.
    }
  }
}

/** Starts a server that a test ended, and waits until it answers. */
export async function startServer(name: string): Promise<void> {
  await execute(process.execPath, [join('scripts', 'servers', 'main.mjs'), 'start', name])
}

function serverPids(name: string): number[] {
  if (!existsSync(join(folder, name))) return []
  const files = readdirSync(join(folder, name)).filter((file) => file.endsWith('.pid'))
  return files.map((file) => (JSON.parse(readFileSync(join(folder, name, file), 'utf8')) as { pid: number }).pid)
}
