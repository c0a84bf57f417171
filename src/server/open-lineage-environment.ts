/**
 * The key `openLineage` as the variables of OpenLineage's own clients say it; undefined when they say nothing of a receiver.
 * OPENLINEAGE_DISABLED=true turns off whatever else says.
 */
export function openLineageFromEnvironment(
  environment: NodeJS.ProcessEnv,
): Readonly<Record<string, string | undefined>> | 'off' | undefined {
  if (environment.OPENLINEAGE_DISABLED?.toLowerCase() === 'true') return 'off'
  const transport = (name: string): string | undefined => filled(environment[`OPENLINEAGE__TRANSPORT__${name}`])
  const type = transport('TYPE')
  if (type === 'noop') return 'off'
  const url = filled(environment.OPENLINEAGE_URL) ?? (type === 'file' ? undefined : transport('URL'))
  const values = {
    url,
    endpoint: filled(environment.OPENLINEAGE_ENDPOINT) ?? transport('ENDPOINT'),
    apiKey: filled(environment.OPENLINEAGE_API_KEY) ?? apiKeyOf(transport('AUTH')),
    compression: transport('COMPRESSION'),
    file: url === undefined && type === 'file' ? transport('LOG_FILE_PATH') : undefined,
    namespace: filled(environment.OPENLINEAGE_NAMESPACE),
  }
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  return given.length === 0 ? undefined : Object.fromEntries(given)
}

function apiKeyOf(auth: string | undefined): string | undefined {
  if (auth === undefined) return undefined
  try {
    const { apiKey, api_key: apiKeyToo } = JSON.parse(auth) as Record<string, unknown>
    const key = apiKey ?? apiKeyToo
    return typeof key === 'string' ? key : undefined
  } catch {
    return undefined
  }
}

const filled = (value: string | undefined): string | undefined => (value === undefined || value === '' ? undefined : value)
