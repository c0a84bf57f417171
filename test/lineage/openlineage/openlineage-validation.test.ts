import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parseEventTime } from '../../../src/lineage/openlineage/event-time.js'
import { takeIn } from '../../../src/lineage/openlineage/intake.js'
import { arrayElements, objectMembers } from '../../../src/lineage/openlineage/raw-json.js'
import { unpack } from '../../../src/lineage/openlineage/unpack.js'
import { validateEvent } from '../../../src/lineage/openlineage/validate-event.js'
import { dataset, facet, runEvent } from './openlineage-fixtures.js'

const reasonOf = (event: unknown): string => {
  const verdict = validateEvent(event)
  return verdict.valid ? 'valid' : verdict.reason
}
const warningsOf = (event: unknown): readonly string[] => {
  const verdict = validateEvent(event)
  if (!verdict.valid) throw new Error(verdict.reason)
  return verdict.warnings
}
const without = (event: Record<string, unknown>, member: string): Record<string, unknown> =>
  Object.fromEntries(Object.entries(event).filter(([name]) => name !== member))

describe('the validation of an event', () => {
  it('takes the three kinds, and none that is two of them', () => {
    const event = runEvent()
    const base = without(without(event, 'run'), 'eventType')
    expect(reasonOf(event)).toBe('valid')
    expect(reasonOf(base)).toBe('valid')
    expect(reasonOf({ ...without(base, 'job'), dataset: dataset('a') })).toBe('valid')
    expect(reasonOf({ ...base, dataset: dataset('a') })).toBe('has both a job and a dataset, and no run')
    expect(reasonOf(without(base, 'job'))).toBe('has neither a run and a job, nor a job, nor a dataset')
  })

  it('names what is missing or wrong in the core', () => {
    const event = runEvent({ inputs: [dataset('a')] })
    for (const member of ['eventTime', 'producer', 'schemaURL', 'job'])
      expect(reasonOf(without(event, member))).toBe(`${member}: is missing`)
    expect(reasonOf({ ...event, run: {} })).toBe('run.runId: is missing')
    expect(reasonOf({ ...event, job: { namespace: 'a\0b', name: 'x' } })).toBe('job.namespace: has a NUL character')
    expect(reasonOf({ ...event, run: { runId: 7 } })).toBe('run.runId: is not a string')
    expect(reasonOf({ ...event, eventType: 'DONE' })).toContain('eventType: is none of START')
    expect(reasonOf({ ...event, eventTime: 'yesterday' })).toBe('eventTime: "yesterday" is not a date and time')
    expect(reasonOf({ ...event, inputs: {} })).toBe('inputs: is not an array')
    expect(reasonOf({ ...event, outputs: [{ namespace: 'x' }] })).toBe('outputs[0].name: is missing')
    expect(reasonOf({ ...event, inputs: [{ ...dataset('a'), facets: [] }] })).toBe('inputs[0].facets: is not an object')
    for (const nothing of [null, 7, 'text', []]) expect(reasonOf(nothing)).toBe('the event: is not an object')
  })

  it('warns of facets and keeps them', () => {
    const owners = facet({ owners: [{ type: 'team' }] })
    expect(warningsOf(runEvent({ jobFacets: { ownership: owners } }))).toEqual([
      'job.facets.ownership.owners[0].name: is missing',
    ])
    expect(warningsOf(runEvent({ runFacets: { mine: { a: 1 } } }))).toEqual(['run.facets.mine._producer: is missing'])
    expect(warningsOf(runEvent({ runFacets: { mine: 'text' } }))).toEqual(['run.facets.mine: is not an object'])
    expect(warningsOf(runEvent({ jobFacets: { sql: facet({ _deleted: true }) } }))).toEqual([])
    expect(warningsOf(runEvent({ run: 'run_id', time: '2026-01-31T10:00:00' }))).toEqual([
      'eventTime: has no time zone; UTC was taken',
      'run.runId: is not a UUID',
    ])
  })
})

describe('the time of an event', () => {
  it('keeps nanoseconds and knows what clients make of a time', () => {
    const read = (text: string) => parseEventTime(text)?.text
    expect(read('2026-01-31T10:00:00.123456789Z')).toBe('2026-01-31T10:00:00.123456789Z')
    expect(read('2026-01-31T10:00:00.1+02:00')).toBe('2026-01-31T08:00:00.100000000Z')
    expect(read('2026-01-31 10:00:00')).toBe('2026-01-31T10:00:00.000000000Z')
    expect(read('2026-01-31T10:00Z')).toBe('2026-01-31T10:00:00.000000000Z')
    expect(read('2026-01-31T00:30:00+0100')).toBe('2026-01-30T23:30:00.000000000Z')
    expect(read('2026-01-31T10:00:00.5Z[UTC]')).toBe('2026-01-31T10:00:00.500000000Z')
    expect(parseEventTime('2026-01-31T10:00:00.123456789Z')?.micros).toBe(Date.UTC(2026, 0, 31, 10) * 1000 + 123_456)
    // What some clients send for no time at all.
    expect(parseEventTime('0001-01-01T00:00:00Z')?.micros).toBe(Number.MIN_SAFE_INTEGER)
    expect(parseEventTime('9999-12-31T23:59:59+01:00')?.micros).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('takes no day that there is not', () => {
    for (const text of [
      '2026-02-30T10:00:00Z',
      '2026-13-01T10:00:00Z',
      '2026-01-31T24:30:00Z',
      '2026-01-31',
      '',
      '0000-01-01T00:00:00Z',
    ])
      expect(parseEventTime(text)).toBeUndefined()
  })
})

describe('the intake of a body', () => {
  const text = JSON.stringify(runEvent())

  it('takes one event, a list, and a list under "events"', () => {
    expect(takeIn(Buffer.from(text))).toMatchObject({ single: true, received: 1 })
    expect(takeIn(Buffer.from(`\uFEFF [${text} , ${text}]\n`))).toMatchObject({ single: false, received: 2 })
    expect(takeIn(Buffer.from(`{"source":"x", "events": [${text}]}`))).toMatchObject({ single: false, received: 1 })
    expect(takeIn(Buffer.from('{"events":[]}'))).toMatchObject({ received: 0 })
  })

  it('keeps the text of each event byte for byte', () => {
    const odd = text
      .slice(0, -1)
      .concat(', "x" : {"n": 1.50, "big": 12345678901234567890, "e": "\\u00e9\\ud800",  "s": "}]\\"" } }')
    const { events } = takeIn(Buffer.from(`[ ${odd} ,${text}]`))
    expect(events.map((event) => event.text)).toEqual([odd, text])
  })

  it('refuses what is broken and takes its neighbours', () => {
    const { events, refused } = takeIn(Buffer.from(`[${text},{"a":1},{"a":nope},${text.replace('load', 'other')}]`))
    expect(events).toHaveLength(2)
    expect(refused.map(({ index }) => index)).toEqual([1, 2])
    expect(refused[0]?.reason).toBe('eventTime: is missing')
    expect(refused[1]?.reason).toMatch(/^is not valid JSON/)
  })

  it('refuses a body that is none', () => {
    for (const body of ['', '   ', '[', `[${text}`, `[${text}] x`, `[${text} ${text}]`, `{"events":[${text}}`])
      expect(() => takeIn(Buffer.from(body)), body.slice(0, 20)).toThrow(/the body is/)
    expect(() => takeIn(Buffer.from([0x7b, 0xff, 0x7d]))).toThrow('UTF-8')
  })

  it('gives one event one id, however often it is sent', () => {
    const ids = [1, 2].map(() => takeIn(Buffer.from(text)).events[0]?.id)
    expect(ids[0]).toBe(ids[1])
    expect(takeIn(Buffer.from(`${text.slice(0, -1)} }`)).events[0]?.id).not.toBe(ids[0])
  })

  it('unpacks no bomb', () => {
    const bomb = gzipSync(Buffer.alloc(1_000_000, 32))
    expect(() => unpack(bomb, 'gzip', 100_000)).toThrow('unpacks to more than 100000 bytes')
    expect(() => unpack(Buffer.from('plain'), 'gzip', 100_000)).toThrow('is not gzip')
  })
})

describe('raw JSON', () => {
  it('finds what JSON.parse finds', () => {
    const value = { 'a"b': [1, { c: '\\"]}' }, []], d: { e: null, f: 'x\\' }, g: -1.5e3, '': true }
    for (const text of [JSON.stringify(value), JSON.stringify(value, undefined, 2)]) {
      const members = objectMembers(text, 0).map(({ name, from, to }) => [name, JSON.parse(text.slice(from, to))])
      expect(Object.fromEntries(members)).toEqual(value)
    }
    expect(arrayElements('[1, "]", [2]]', 0)?.elements).toEqual([
      [1, 2],
      [4, 7],
      [9, 12],
    ])
    expect(arrayElements('[1, "]', 0)).toBeUndefined()
  })
})

const specification = new URL('../../../../shared/openlineage/', import.meta.url)

describe.runIf(existsSync(specification))('held against the specification', () => {
  const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, specification), 'utf8'))
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  // What is skipped is collected all the same.
  if (existsSync(specification)) ajv.addSchema(read('spec/OpenLineage.json') as object)
  const core = ajv.getSchema('https://openlineage.io/spec/2-0-2/OpenLineage.json')
  const events = existsSync(specification)
    ? readdirSync(new URL('events/', specification)).map(
        (name) => [name, read(`events/${name}`) as Record<string, unknown>] as const,
      )
    : []

  it.each(events)('judges %s as the schema does', (_name, event) => {
    expect(validateEvent(event).valid).toBe(core?.(event))
  })

  it('judges events with a member taken away or turned as the schema does', () => {
    let judged = 0
    for (const [name, event] of events) {
      for (const broken of variants(event)) {
        // A facet that is not whole fails the schema, and is warned of here.
        const strict = core?.(broken) === true
        const verdict = validateEvent(broken)
        expect(
          verdict.valid && verdict.warnings.every((warning) => !/facets/i.test(warning)),
          `${name} ${JSON.stringify(broken).slice(0, 300)}`,
        ).toBe(strict && !(verdict.valid && verdict.warnings.some((warning) => /facets/i.test(warning))))
        judged++
      }
    }
    expect(judged).toBeGreaterThan(100)
  })

  it('warns of the facets that their own schemas refuse', () => {
    for (const file of readdirSync(new URL('spec/facets/', specification))) ajv.addSchema(read(`spec/facets/${file}`) as object)
    for (const [name, event] of events) {
      if (!validateEvent(event).valid) continue
      const facetWarnings = warningsOf(event).filter((warning) => warning.includes('acets.'))
      expect(facetWarnings.length > 0, name).toBe(/invalid_(dataset|run)_facet/.test(name))
    }
  })
})

/** An event with each of its core members left out, made null, and made a number. */
function* variants(event: Record<string, unknown>): Generator<Record<string, unknown>> {
  for (const member of ['eventTime', 'producer', 'schemaURL', 'run', 'job', 'inputs', 'outputs', 'eventType']) {
    yield without(event, member)
    yield { ...event, [member]: null }
    yield { ...event, [member]: 7 }
  }
  for (const [member, inner] of [
    ['run', 'runId'],
    ['run', 'facets'],
    ['job', 'name'],
    ['job', 'namespace'],
  ] as const) {
    const value = event[member] as Record<string, unknown> | undefined
    if (value === undefined) continue
    yield { ...event, [member]: without(value, inner) }
    yield { ...event, [member]: { ...value, [inner]: 7 } }
  }
}
