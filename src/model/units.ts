import { valueOf } from './by-name.js'
import { ForebayError } from './errors.js'

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

/** Bytes of a size such as `512MB`, `2 GiB` or `1000000`; CONFIGURATION_INVALID names the key otherwise. */
export function parseBytes(text: string, key: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text)
  const factor = valueOf(byteUnits, (match?.[2] ?? '?').toLowerCase())
  if (match === null || factor === undefined) {
    throw new ForebayError('CONFIGURATION_INVALID', `"${key}" is not a size: ${JSON.stringify(text)}`, {
      hint: 'write a number and a unit, e.g. 512MB, 2GB or 4GiB',
    })
  }
  return Math.round(Number(match[1]) * factor)
}

const durationUnits: Readonly<Record<string, number>> = {
  '': 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Milliseconds of a duration such as `60s`, `500ms`, `5m`, `7d`; a bare number is seconds. */
export function parseDurationMs(text: string, key: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text)
  const factor = valueOf(durationUnits, (match?.[2] ?? '?').toLowerCase())
  if (match === null || factor === undefined) {
    throw new ForebayError('CONFIGURATION_INVALID', `"${key}" is not a duration: ${JSON.stringify(text)}`, {
      hint: 'write a number and a unit, e.g. 500ms, 60s, 5m or 7d',
    })
  }
  return Math.round(Number(match[1]) * factor)
}
