/** Plots as inline SVG: no script, no font and no picture from anywhere else, so that one file is the whole report. */

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [number, number])[]
  /** Drawn thick and above the others: ours. */
  readonly main?: boolean
  /** Other than the plot's. */
  readonly kind?: Kind
}
type Kind = 'line' | 'dots'

export interface PlotOptions {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly kind: Kind
}
export interface Axis {
  readonly label: string
  readonly from: number
  readonly to: number
  readonly log?: boolean
}

const width = 640
const height = 320
const left = 56
const right = 16
const top = 28
const bottom = 44
const colours = ['#0b5fa5', '#c2571a', '#3a7d44', '#8a4fa3', '#b3892b', '#6b6b6b', '#b0303f', '#2b8c8c']

/** One plot with its axes and a legend beneath. What lies beyond the axes is cut off; a single point within them is drawn whole. */
export function plot(options: PlotOptions, series: readonly Series[]): string {
  const { title, x, y } = options
  const ordered = series
    .map((one, i) => ({ one, colour: colours[i % colours.length] as string }))
    .toSorted((a, b) => Number(a.one.main ?? false) - Number(b.one.main ?? false))
  const isMark = ({ points: [point, ...more] }: Series): boolean =>
    point !== undefined && more.length === 0 && within(x, point[0]) && within(y, point[1])
  const drawing = (marks: boolean): string =>
    ordered
      .filter(({ one }) => isMark(one) === marks)
      .map(({ one, colour }) => draw(options, one, colour))
      .join('')
  const box = [left, top, width - left - right, height - top - bottom]
  const cut = `<svg x="${box[0]}" y="${box[1]}" width="${box[2]}" height="${box[3]}" viewBox="${box.join(' ')}">${drawing(false)}</svg>`
  const legend = series
    .map(({ name }, i) => `<span><i style="background:${colours[i % colours.length]}"></i>${escaped(name)}</span>`)
    .join(' ')
  const label = `<text x="${left + (width - left - right) / 2}" y="${height - 6}" text-anchor="middle">${escaped(x.label)}</text>`
  const sideways = `<text transform="translate(14 ${height / 2}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>`
  return `<figure><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
<text x="${left}" y="16" class="title">${escaped(title)}</text>${ticksOf(x, 'x')}${ticksOf(y, 'y')}${label}${sideways}${cut}${drawing(true)}</svg>
<figcaption>${legend}</figcaption></figure>`
}

function draw({ x, y, ...usual }: PlotOptions, { points, main = false, kind = usual.kind }: Series, colour: string): string {
  const places = points.map(([px, py]) => `${place(x, px, 'x').toFixed(1)},${place(y, py, 'y').toFixed(1)}`)
  if (kind === 'line') {
    return `<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="${main ? 2.5 : 1.2}"/>`
  }
  return places
    .map(
      (at) =>
        `<circle cx="${at.split(',')[0]}" cy="${at.split(',')[1]}" r="${places.length === 1 ? 4 : 2}" fill="${colour}" fill-opacity="${places.length === 1 ? 1 : 0.45}"/>`,
    )
    .join('')
}

function within({ from, to }: Axis, value: number): boolean {
  return value >= from && value <= to
}

function place({ from, to, log = false }: Axis, value: number, axis: 'x' | 'y'): number {
  const scale = (v: number): number => (log ? Math.log(Math.max(v, 1e-9)) : v)
  const share = (scale(value) - scale(from)) / Math.max(1e-9, scale(to) - scale(from))
  return axis === 'x' ? left + share * (width - left - right) : height - bottom - share * (height - top - bottom)
}

function ticksOf(axis: Axis, of: 'x' | 'y'): string {
  return ticks(axis)
    .map((value) => {
      const at = place(axis, value, of)
      if (of === 'x') {
        return `<line x1="${at}" x2="${at}" y1="${top}" y2="${height - bottom}"/><text x="${at}" y="${height - bottom + 16}" text-anchor="middle">${short(value)}</text>`
      }
      return `<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/><text x="${left - 6}" y="${at + 4}" text-anchor="end">${short(value)}</text>`
    })
    .join('')
}

function ticks({ from, to, log = false }: Axis): readonly number[] {
  if (!log) return roundTicks(from, to)
  const decades = Math.log10(to / from)
  const steps = decades > 3 ? [1] : [1, 2, 5]
  const found: number[] = []
  for (let decade = Math.floor(Math.log10(from)); decade <= Math.ceil(Math.log10(to)); decade++) {
    for (const step of steps) found.push(step * 10 ** decade)
  }
  return found.filter((value) => value >= from * 0.999 && value <= to * 1.001)
}

/** Four to eight round numbers. */
function roundTicks(from: number, to: number): readonly number[] {
  const rough = (to - from) / 5
  const decade = 10 ** Math.floor(Math.log10(rough))
  const step = decade * ([1, 2, 5].find((factor) => factor * decade >= 0.8 * rough) ?? 10)
  const first = Math.ceil(from / step - 1e-9)
  return Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step)
}

/** Few enough characters to stand beside the axis' label. */
function short(value: number): string {
  const size = Math.abs(value)
  const [unit, sign] = size >= 1e6 ? [1e6, 'M'] : size >= 1e4 ? [1e3, 'k'] : [1, '']
  return `${Number((value / unit).toPrecision(3))}${sign}`
}

/** Text that is safe inside HTML. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
