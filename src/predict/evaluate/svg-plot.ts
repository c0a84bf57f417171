/** Plots as inline SVG: no script, no font and no picture from anywhere else, so that one file is the whole report. */

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [number, number])[]
  /** Drawn thick: ours. */
  readonly main?: boolean
}

export interface PlotOptions {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly kind: 'line' | 'dots'
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

/** One plot with its axes and a legend beneath. */
export function plot(options: PlotOptions, series: readonly Series[]): string {
  const { title, x, y } = options
  const drawn = series.map((one, i) => draw(options, one, colours[i % colours.length] as string)).join('')
  const legend = series
    .map(({ name }, i) => `<span><i style="background:${colours[i % colours.length]}"></i>${escaped(name)}</span>`)
    .join(' ')
  const label = `<text x="${left + (width - left - right) / 2}" y="${height - 6}" text-anchor="middle">${escaped(x.label)}</text>`
  const sideways = `<text transform="translate(14 ${height / 2}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>`
  return `<figure><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
<text x="${left}" y="16" class="title">${escaped(title)}</text>${ticksOf(x, 'x')}${ticksOf(y, 'y')}${label}${sideways}${drawn}</svg>
<figcaption>${legend}</figcaption></figure>`
}

function draw({ x, y, kind }: PlotOptions, { points, main = false }: Series, colour: string): string {
  const places = points.map(([px, py]) => `${place(x, px, 'x').toFixed(1)},${place(y, py, 'y').toFixed(1)}`)
  if (kind === 'line') {
    return `<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="${main ? 2.5 : 1.2}"/>`
  }
  return places
    .map((at) => `<circle cx="${at.split(',')[0]}" cy="${at.split(',')[1]}" r="2" fill="${colour}" fill-opacity="0.45"/>`)
    .join('')
}

function place({ from, to, log = false }: Axis, value: number, axis: 'x' | 'y'): number {
  const scale = (v: number): number => (log ? Math.log(Math.max(v, 1e-9)) : v)
  const share = Math.max(0, Math.min(1, (scale(value) - scale(from)) / Math.max(1e-9, scale(to) - scale(from))))
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
  if (!log) return Array.from({ length: 6 }, (_, i) => from + ((to - from) * i) / 5)
  const decades = Math.log10(to / from)
  const steps = decades > 3 ? [1] : [1, 2, 5]
  const found: number[] = []
  for (let decade = Math.floor(Math.log10(from)); decade <= Math.ceil(Math.log10(to)); decade++) {
    for (const step of steps) found.push(step * 10 ** decade)
  }
  return found.filter((value) => value >= from * 0.999 && value <= to * 1.001)
}

function short(value: number): string {
  return Math.abs(value) >= 1e6 ? `${Number((value / 1e6).toPrecision(3))}M` : String(Number(value.toPrecision(3)))
}

/** Text that is safe inside HTML. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
