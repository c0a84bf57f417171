/**
 * What the standard facets look like, as far as the specification says (each facet's own schema, November 2026). A facet that
 * looks otherwise is kept as it is and named in a warning: what cannot be understood of it is not used.
 */

import { type Facets, isDeletion } from './open-lineage-event.js'

/** A leaf's type, `[of]` an array, `{'*': of}` a map, else an object's members; a name that ends in `!` must be there. */
type Shape = 'string' | 'integer' | 'number' | 'boolean' | 'object' | readonly [Shape] | { readonly [name: string]: Shape }

/** Where facets stand in an event. */
export type FacetPlace = 'run' | 'job' | 'dataset' | 'input' | 'output'

const identifier = { 'namespace!': 'string', 'name!': 'string' } as const
const owners = { owners: [{ 'name!': 'string', type: 'string' }] } as const
const documentation = { 'description!': 'string', contentType: 'string' } as const
const tags = { tags: [{ 'key!': 'string', 'value!': 'string', source: 'string', field: 'string' }] } as const
const statistics = { rowCount: 'integer', size: 'integer', fileCount: 'integer' } as const
const transformations = [{ 'type!': 'string', subtype: 'string', description: 'string', masking: 'boolean' }] as const
const inputField = { ...identifier, 'field!': 'string', transformations } as const
const lineageInputs = [
  { 'type!': 'string', namespace: 'string', name: 'string', field: 'string', runId: 'string', transformations },
] as const
const lineageFields = { '*': { 'inputs!': lineageInputs } } as const
const runReference = { 'run!': { 'runId!': 'string', facets: 'object' }, 'job!': { ...identifier, facets: 'object' } } as const
const dependency = {
  'job!': identifier,
  run: { 'runId!': 'string' },
  dependency_type: 'string',
  sequence_trigger_rule: 'string',
  status_trigger_rule: 'string',
} as const
const test = {
  severity: 'string',
  description: 'string',
  expected: 'string',
  actual: 'string',
  content: 'string',
  contentType: 'string',
  params: 'object',
} as const
const quality = {
  rowCount: 'integer',
  bytes: 'integer',
  fileCount: 'integer',
  lastUpdated: 'string',
  'columnMetrics!': {
    '*': {
      nullCount: 'integer',
      distinctCount: 'integer',
      sum: 'number',
      count: 'number',
      min: 'number',
      max: 'number',
      quantiles: { '*': 'number' },
    },
  },
} as const
const schemaField = {
  'name!': 'string',
  type: 'string',
  description: 'string',
  ordinal_position: 'integer',
  fields: ['object'],
} as const
const lineageEntry = {
  'type!': 'string',
  namespace: 'string',
  name: 'string',
  runId: 'string',
  inputs: lineageInputs,
  fields: lineageFields,
} as const

const shapes: Readonly<Record<FacetPlace, Readonly<Record<string, Shape>>>> = {
  run: {
    environmentVariables: { 'environmentVariables!': [{ 'name!': 'string', 'value!': 'string' }] },
    errorMessage: { 'message!': 'string', 'programmingLanguage!': 'string', stackTrace: 'string' },
    executionParameters: { parameters: [{ 'key!': 'string', name: 'string', description: 'string', value: 'string' }] },
    externalQuery: { 'externalQueryId!': 'string', 'source!': 'string' },
    extractionError: {
      'totalTasks!': 'integer',
      'failedTasks!': 'integer',
      'errors!': [{ 'errorMessage!': 'string', stackTrace: 'string', task: 'string', taskNumber: 'integer' }],
    },
    jobDependencies: { upstream: [dependency], downstream: [dependency], trigger_rule: 'string' },
    nominalTime: { 'nominalStartTime!': 'string', nominalEndTime: 'string' },
    parent: { ...runReference, root: runReference },
    processing_engine: { 'version!': 'string', name: 'string', openlineageAdapterVersion: 'string' },
    tags,
    test: { 'tests!': [{ 'name!': 'string', 'status!': 'string', type: 'string', ...test }] },
  },
  job: {
    documentation,
    jobType: {
      'processingType!': 'string',
      'integration!': 'string',
      jobType: 'string',
      emissionPattern: { 'eventTrigger!': 'string', 'eventContentMode!': 'string', windowDuration: 'integer' },
    },
    lineage: { 'entries!': [lineageEntry] },
    ownership: owners,
    sourceCode: { 'language!': 'string', 'sourceCode!': 'string' },
    sourceCodeLocation: {
      'type!': 'string',
      'url!': 'string',
      repoUrl: 'string',
      path: 'string',
      version: 'string',
      tag: 'string',
      branch: 'string',
      pullRequestNumber: 'string',
    },
    sql: { 'query!': 'string', dialect: 'string' },
    tags,
  },
  dataset: {
    catalog: {
      'framework!': 'string',
      'type!': 'string',
      'name!': 'string',
      metadataUri: 'string',
      warehouseUri: 'string',
      source: 'string',
      catalogProperties: { '*': 'string' },
    },
    columnLineage: {
      'fields!': {
        '*': { 'inputFields!': [inputField], transformationDescription: 'string', transformationType: 'string' },
      },
      dataset: [inputField],
    },
    dataQualityAssertions: {
      'assertions!': [{ 'assertion!': 'string', 'success!': 'boolean', column: 'string', name: 'string', ...test }],
    },
    dataQualityMetrics: quality,
    datasetType: { 'datasetType!': 'string', subType: 'string' },
    dataSource: { name: 'string', uri: 'string' },
    documentation,
    hierarchy: { 'hierarchy!': [{ 'type!': 'string', 'name!': 'string' }] },
    lifecycleStateChange: { 'lifecycleStateChange!': 'string', previousIdentifier: identifier },
    lineage: { inputs: lineageInputs, fields: lineageFields },
    ownership: owners,
    schema: { fields: [schemaField] },
    storage: { 'storageLayer!': 'string', fileFormat: 'string' },
    symlinks: { identifiers: [{ ...identifier, 'type!': 'string' }] },
    tags,
    version: { 'datasetVersion!': 'string' },
  },
  input: {
    dataQualityAssertions: {
      'assertions!': [{ 'assertion!': 'string', 'success!': 'boolean', column: 'string', name: 'string', ...test }],
    },
    dataQualityMetrics: quality,
    inputStatistics: statistics,
    subset: { 'inputCondition!': { 'type!': 'string' } },
  },
  output: { outputStatistics: statistics, subset: { 'outputCondition!': { 'type!': 'string' } } },
}

/** The first fault of a value, as the path to it and what is wrong (`.fields[2].name: is missing`); undefined without one. */
type Check = (value: unknown) => string | undefined

const checks = new Map<string, Check>()
for (const [place, facets] of Object.entries(shapes)) {
  for (const [name, shape] of Object.entries(facets)) checks.set(`${place}.${name}`, compile(shape))
}

const base = compile({ '_producer!': 'string', '_schemaURL!': 'string', _deleted: 'boolean' })

/** The first fault of a facet: of what every facet must have, then of what the standard one of its name must look like. */
export function facetFault(place: FacetPlace, name: string, facet: unknown): string | undefined {
  const fault = base(facet)
  if (fault !== undefined) return fault
  // A facet that says no more than that it is gone need not be whole.
  if (isDeletion(facet as Facets)) return undefined
  return checks.get(`${place}.${name}`)?.(facet)
}

function compile(shape: Shape): Check {
  if (typeof shape === 'string') return leafCheck(shape)
  if (Array.isArray(shape)) return arrayCheck(compile((shape as readonly [Shape])[0]))
  const members = Object.entries(shape as Readonly<Record<string, Shape>>).map(([key, of]) => ({
    name: key.replace(/!$/, ''),
    required: key.endsWith('!'),
    check: compile(of),
  }))
  const [only] = members
  if (members.length === 1 && only?.name === '*') return mapCheck(only.check)
  return (value) => {
    if (!isObject(value)) return ': is not an object'
    for (const { name, required, check } of members) {
      const member = value[name]
      if (member === undefined) {
        if (required) return `.${name}: is missing`
        continue
      }
      const fault = check(member)
      if (fault !== undefined) return `.${name}${fault}`
    }
    return undefined
  }
}

function leafCheck(type: Extract<Shape, string>): Check {
  const fault = `: is not ${type === 'integer' || type === 'object' ? 'an' : 'a'} ${type}`
  if (type === 'integer') return (value) => (Number.isInteger(value) ? undefined : fault)
  if (type === 'object') return (value) => (isObject(value) ? undefined : fault)
  return (value) => (typeof value === type ? undefined : fault)
}

function arrayCheck(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return ': is not an array'
    for (let index = 0; index < value.length; index++) {
      const fault = check(value[index])
      if (fault !== undefined) return `[${index}]${fault}`
    }
    return undefined
  }
}

function mapCheck(check: Check): Check {
  return (value) => {
    if (!isObject(value)) return ': is not an object'
    for (const name in value) {
      const fault = check(value[name])
      if (fault !== undefined) return `.${name}${fault}`
    }
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
