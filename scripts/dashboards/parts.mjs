/** The few kinds of panel that the dashboards are made of, so that all look and read alike. */
import {
  BigValueColorMode,
  BigValueGraphMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'

const datasource = { type: 'prometheus', uid: '${datasource}' }

/** Label filter of every query: the instances that the reader has chosen. */
export const chosen = 'job="$job", instance=~"$instance"'

/**
 * A dashboard with the variables and links that all of ours have.
 * @param {string} uid
 * @param {string} title
 * @param {string} description
 */
export function dashboard(uid, title, description) {
  return new DashboardBuilder(`Forebay / ${title}`)
    .uid(`forebay-${uid}`)
    .description(description)
    .tags(['forebay'])
    .timezone('browser')
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder('Forebay').type(DashboardLinkType.Dashboards).tags(['forebay']).keepTime(true).includeVars(true),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    .withVariable(variable('job', 'Job', 'label_values(forebay_build_info, job)', false))
    .withVariable(variable('instance', 'Instance', 'label_values(forebay_build_info{job="$job"}, instance)', true))
}

/**
 * @param {string} name
 * @param {string} label
 * @param {string} query
 * @param {boolean} many
 */
function variable(name, label, query, many) {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(datasource)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(many)
    .includeAll(many)
}

/** @param {string} title */
export const row = (title) => new RowBuilder(title)

/**
 * One number. `limits` are [value, colour] pairs above the first colour.
 * @param {{ title: string, about: string, query: string, unit: string, span?: number, decimals?: number, limits?: [number | null, string][] }} options
 */
export function stat({ title, about, query, unit, span = 4, decimals, limits = [[null, 'text']] }) {
  const panel = new StatBuilder()
    .title(title)
    .description(about)
    .datasource(datasource)
    .unit(unit)
    .span(span)
    .height(4)
    .graphMode(BigValueGraphMode.Area)
    .colorMode(limits.length > 1 ? BigValueColorMode.Value : BigValueColorMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(thresholds(limits))
    .withTarget(new DataqueryBuilder().datasource(datasource).refId('A').expr(query))
  return decimals === undefined ? panel : panel.decimals(decimals)
}

/**
 * Lines over time. Each query is [expression, legend].
 * @param {{ title: string, about: string, queries: [string, string][], unit: string, span?: number, max?: number, stacked?: boolean, exemplars?: boolean }} options
 */
export function lines({ title, about, queries, unit, span = 12, max, stacked = false, exemplars = false }) {
  const panel = new TimeSeriesBuilder()
    .title(title)
    .description(about)
    .datasource(datasource)
    .unit(unit)
    .min(0)
    .span(span)
    .height(8)
    .lineWidth(1)
    .fillOpacity(stacked ? 20 : 5)
    .showPoints(VisibilityMode.Never)
    .legend(new VizLegendOptionsBuilder().displayMode(LegendDisplayMode.List).placement(LegendPlacement.Bottom).showLegend(true))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
  if (max !== undefined) panel.max(max)
  if (stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'))
  for (const [index, [expr, legend]] of queries.entries()) {
    const target = new DataqueryBuilder().datasource(datasource).refId('ABCDEFGH'.charAt(index)).expr(expr).legendFormat(legend)
    panel.withTarget(exemplars ? target.exemplar(true) : target)
  }
  return panel
}

/** @param {[number | null, string][]} limits */
function thresholds(limits) {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(limits.map(([value, color]) => ({ value, color })))
}
