interface Page {
  readonly limit: number
  readonly offset: number
}

/** A question about what other programs reported. */
export type CatalogueRequest =
  | { readonly what: 'lineage'; readonly nodeId: string; readonly depth: number }
  | { readonly what: 'columns'; readonly nodeId: string; readonly depth: number; readonly downstream: boolean }
  | ({ readonly what: 'namespaces' } & Page)
  | { readonly what: 'namespace'; readonly name: string }
  | ({ readonly what: 'datasets' | 'jobs'; readonly namespace?: string } & Page)
  | { readonly what: 'dataset' | 'job'; readonly namespace: string; readonly name: string }
  | ({ readonly what: 'runs'; readonly namespace: string; readonly job: string } & Page)
  | { readonly what: 'run'; readonly id: string }
  | { readonly what: 'run-facets'; readonly id: string; readonly type: 'run' | 'job' }
  | ({ readonly what: 'events' } & Page)
  | { readonly what: 'search'; readonly text: string; readonly type?: 'JOB' | 'DATASET'; readonly limit: number }
