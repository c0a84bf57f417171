/** Whether and how to trace, by the standard variables of OpenTelemetry. Its libraries are loaded only when it is on. */
import { ForebayError } from '../../model/errors.js'
import { noTracing, type Tracing } from './tracing.js'

type Environment = Readonly<Record<string, string | undefined>>

/** True when the variables name somebody to send spans to. */
export function tracingWanted(environment: Environment): boolean {
  const { OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } = environment
  if (OTEL_SDK_DISABLED?.toLowerCase() === 'true') return false
  const exporter = OTEL_TRACES_EXPORTER ?? ''
  if (exporter === 'none') return false
  if (exporter !== '' && exporter !== 'otlp') {
    throw new ForebayError(
      'CONFIGURATION_INVALID',
      `environment variable OTEL_TRACES_EXPORTER: "${exporter}" is not known here`,
      {
        hint: 'use otlp or none',
      },
    )
  }
  const wanted = exporter === 'otlp' || (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? OTEL_EXPORTER_OTLP_ENDPOINT ?? '') !== ''
  if (wanted) checkProtocol(environment)
  return wanted
}

function checkProtocol({ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_EXPORTER_OTLP_PROTOCOL }: Environment): void {
  const protocol = OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? OTEL_EXPORTER_OTLP_PROTOCOL ?? ''
  if (protocol === '' || protocol === 'http/protobuf') return
  throw new ForebayError(
    'CONFIGURATION_INVALID',
    `environment variable OTEL_EXPORTER_OTLP_PROTOCOL: "${protocol}" is not spoken here`,
    {
      hint: 'use http/protobuf, which every collector takes on port 4318',
    },
  )
}

/** Tracing as the environment wants it. */
export async function openTracing(environment: Environment, version: string): Promise<Tracing> {
  if (!tracingWanted(environment)) return noTracing
  const { openTelemetryTracing } = await import('./open-telemetry.js')
  return openTelemetryTracing(version)
}
