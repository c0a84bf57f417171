/** Reads what an exporter of OpenTelemetry sends: the few fields of OTLP's protobuf messages that tests look at. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  readonly kind: number
  /** Epoch milliseconds with a fraction. */
  readonly start: number
  readonly end: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly statusCode: number
}

/** Spans of one ExportTraceServiceRequest, and the attributes of their resource. */
export function spansOf(body: Buffer): { readonly spans: readonly Span[]; readonly resource: Readonly<Record<string, unknown>> } {
  const groups = all(body, 1)
  const spans = groups.flatMap((group) => all(group, 2)).flatMap((scope) => all(scope, 2))
  const resource = groups.flatMap((group) => all(group, 1)).flatMap((each) => all(each, 1))
  return { spans: spans.map(spanOf), resource: attributesOf(resource) }
}

function spanOf(message: Buffer): Span {
  const status = all(message, 15)[0]
  return {
    traceId: bytes(message, 1).toString('hex'),
    spanId: bytes(message, 2).toString('hex'),
    traceState: bytes(message, 3).toString(),
    parentSpanId: bytes(message, 4).toString('hex'),
    name: bytes(message, 5).toString(),
    kind: Number(scalar(message, 6) ?? 0),
    start: Number(scalar(message, 7) ?? 0) / 1e6,
    end: Number(scalar(message, 8) ?? 0) / 1e6,
    attributes: attributesOf(all(message, 9)),
    statusCode: status === undefined ? 0 : Number(scalar(status, 3) ?? 0),
  }
}

function attributesOf(pairs: readonly Buffer[]): Record<string, unknown> {
  return Object.fromEntries(pairs.map((pair) => [bytes(pair, 1).toString(), valueOf(bytes(pair, 2))]))
}

function valueOf(message: Buffer): unknown {
  for (const { field, value } of fieldsOf(message)) {
    if (field === 1) return (value as Buffer).toString()
    if (field === 2) return value !== 0n
    if (field === 3) return Number(value)
    if (field === 4) return new DataView(new BigUint64Array([value as bigint]).buffer).getFloat64(0, true)
  }
  return undefined
}

interface Field {
  readonly field: number
  readonly value: bigint | Buffer
}

const all = (message: Buffer, wanted: number): Buffer[] =>
  fieldsOf(message).flatMap(({ field, value }) => (field === wanted && Buffer.isBuffer(value) ? [value] : []))
const bytes = (message: Buffer, wanted: number): Buffer => all(message, wanted)[0] ?? Buffer.alloc(0)
const scalar = (message: Buffer, wanted: number): bigint | undefined =>
  fieldsOf(message).flatMap(({ field, value }) => (field === wanted && !Buffer.isBuffer(value) ? [value] : []))[0]

function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]
      if (byte === undefined) throw new Error('the message ends inside a number')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const take = (size: number): Buffer => message.subarray(at, (at += size))
  while (at < message.length) {
    const key = Number(varint())
    const kind = key & 7
    const value =
      kind === 0
        ? varint()
        : kind === 1
          ? take(8).readBigUInt64LE()
          : kind === 2
            ? take(Number(varint()))
            : BigInt(take(4).readUInt32LE())
    fields.push({ field: key >> 3, value })
  }
  return fields
}
