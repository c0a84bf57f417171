/** Prediction on, off, broken, hung and talking nonsense: the rows must be the same. */
import { join } from 'node:path'
import { openCatalog } from '../../../dist/catalog/catalog.js'
import { memoryKeyValue } from '../../../dist/catalog/key-value.js'
import { openEmbeddedEngine } from '../../../dist/engine/embedded/embedded-engine.js'
import { systemClock } from '../../../dist/model/clock.js'
import { Predictor } from '../../../dist/predict/predictor.js'
import { openPlannerPool } from '../../../dist/sql/planner-pool.js'
import { makeStatements, Oracle, rowsText, writeLake } from '../support/lake.mjs'
import { sleep } from '../support/random.mjs'
import { startServer } from '../support/server.mjs'

const broken = () => {
  throw new Error('the predictor is broken')
}
/** An estimate that is no number, negative, or larger than anything. */
const nonsense = (own) => {
  const value = () => own.pick([Number.NaN, -1, Number.POSITIVE_INFINITY, 1e300, 0, undefined, null, 'much'])
  const estimate = () => ({ p50: value(), p90: value(), low: value(), high: value(), coverage: value() })
  const need = () => ({ cpuMs: estimate(), memoryBytes: estimate(), networkBytes: estimate() })
  return own.pick([
    undefined,
    null,
    {},
    { total: {} },
    {
      total: { ...need(), wallMs: estimate() },
      nodes: [{ node: 'n99', role: 'root', loadScore: value(), ...need() }],
      evidence: null,
    },
  ])
}

const predictors = (own) => ({
  none: undefined,
  real: new Predictor({ clock: systemClock }),
  broken: { predict: broken, admitted: broken, dispatched: broken, observe: broken, loadScores: broken },
  hung: {
    predict: () => new Promise(() => {}),
    admitted: () => {},
    dispatched: () => {},
    observe: () => [],
    loadScores: () => new Map(),
  },
  nonsense: {
    predict: () => nonsense(own),
    admitted: () => {},
    dispatched: () => {},
    observe: () => [],
    loadScores: () => new Map([['n1', Number.NaN]]),
  },
})

async function openEngine(data, state, predictor) {
  const planner = await openPlannerPool({ planMsMax: 5_000 })
  const catalog = await openCatalog({
    dataFolder: data,
    stateFolder: state,
    readFooters: (paths, signal) => planner.readFooters(paths, signal),
    describeFiles: (paths, signal) => planner.describeFiles(paths, signal),
    keyValue: memoryKeyValue(),
    clock: systemClock,
  })
  catalog.onChange((change) => (change.kind === 'forgotten' ? planner.forget(change.name) : planner.define(change)))
  const recorder = {
    record: async () => {},
    saveQuery: () => {},
    put: async () => {},
    get: async () => undefined,
    reconcile: async () => 0,
  }
  const engine = await openEmbeddedEngine({
    stateFolder: state,
    dataFolders: [data, join(state, 'tables')],
    writableFolders: [join(state, 'tables')],
    checksumFolder: join(state, 'checksums'),
    nodes: 2,
    memoryBytes: 1e9,
    diskBytes: 1e9,
    catalog,
    planner,
    recorder,
    clock: systemClock,
    limits: { idleMs: 300 },
    ...(predictor === undefined ? {} : { predictor }),
  })
  let number = 0
  return {
    query: async (sql, tree) => {
      const request = {
        sql,
        params: {},
        priority: 'interactive',
        tenant: 'chaos',
        timeZone: 'UTC',
        timeoutMs: 30_000,
        tree,
        reuse: false,
        format: 'json',
      }
      const { body } = await engine.submit(`q-chaos-${++number}`, request).result
      const parts = []
      for await (const part of body) parts.push(Buffer.from(part))
      return rowsText(JSON.parse(`[${Buffer.concat(parts)}]`))
    },
    close: async () => {
      await engine.close()
      await catalog.close()
      await planner.close()
    },
  }
}

async function run({ random, inner, say, check, seconds }) {
  const oracle = await Oracle.open()
  const data = inner('data')
  await writeLake(oracle, data, { files: 4, rows: 10_000 })
  const statements = makeStatements(random, seconds >= 60 ? 45 : 18)
  const expected = new Map()
  for (const sql of statements) expected.set(sql, await oracle.answer(sql))
  oracle.close()
  for (const [kind, predictor] of Object.entries(predictors(random))) {
    const engine = await openEngine(data, inner(`state-${kind}`), predictor)
    let [right, slowest] = [0, 0]
    for (const sql of statements) {
      for (const tree of ['auto', 'always']) {
        const began = performance.now()
        const rows = await engine.query(sql, tree).catch((error) => String(error))
        slowest = Math.max(slowest, performance.now() - began)
        if (rows === expected.get(sql)) right++
        else say(`${kind}: ${sql}: ${rows.slice(0, 200)}`)
      }
    }
    await engine.close()
    check(
      right === statements.length * 2 && slowest < 5_000,
      `${kind}: ${right} of ${statements.length * 2} answers are the same, the slowest after ${slowest.toFixed(0)} ms`,
    )
  }
  for (const mode of ['on', 'forecast-only', 'off']) {
    const server = await startServer({ data, state: inner(`server-${mode}`), flags: ['--nodes', '2', '--proactive', mode] })
    let right = 0
    for (let round = 0; round < 3; round++) {
      for (const sql of statements) {
        const answer = await server.query(sql, { reuse: round !== 1 })
        if (answer.status === 200 && rowsText(answer.body.rows) === expected.get(sql)) right++
        else say(`${mode}: ${sql}: ${answer.text.slice(0, 200)}`)
      }
      await sleep(500)
    }
    await server.kill('SIGTERM')
    check(right === statements.length * 3, `--proactive ${mode}: ${right} of ${statements.length * 3} answers are the same`)
  }
}

export const scenario = { name: 'prediction', about: 'prediction on, off, broken, hung and talking nonsense', seconds: 60, run }
