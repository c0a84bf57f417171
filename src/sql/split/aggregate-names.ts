/**
 * How DuckDB's aggregate functions behave when their input is shared out. Names that are not here are scalar functions; a
 * test compares the lists with what the installed DuckDB has.
 */
const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter((word) => word !== ''))

/** Partials of these merge to what the whole gives. */
export const mergeableAggregates: ReadonlySet<string> = words(`
  count count_star count_if countif sum min max avg mean bool_and bool_or bit_and bit_or bit_xor
  stddev stddev_samp stddev_pop variance var_samp var_pop covar_samp covar_pop
`)

/** What these give hangs on the order in which rows arrive, or on which of several equal rows comes first. */
export const orderSensitiveAggregates: ReadonlySet<string> = words(`
  any_value arbitrary first last first_value last_value arg_max arg_max_null arg_max_nulls_last arg_min arg_min_null
  arg_min_nulls_last argmax argmin max_by min_by mode list array_agg string_agg group_concat listagg histogram
  histogram_exact json_group_array json_group_object json_group_structure nth_value lead lag fill row_number
`)

/** These need all values at once, or are not proven to merge within the promised error. */
export const wholeAggregates: ReadonlySet<string> = words(`
  median quantile quantile_cont quantile_disc mad entropy kurtosis kurtosis_pop skewness sem corr regr_avgx regr_avgy
  regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy product favg fsum kahan_sum sumkahan bitstring_agg
  sum_no_overflow geomean geometric_mean wavg weighted_avg approx_count_distinct approx_quantile approx_top_k
  reservoir_quantile rank dense_rank rank_dense percent_rank cume_dist ntile combine finalize
`)

export function isAggregate(name: string): boolean {
  return mergeableAggregates.has(name) || orderSensitiveAggregates.has(name) || wholeAggregates.has(name)
}
