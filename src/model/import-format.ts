export const importFormats = ['csv', 'json', 'parquet'] as const
/** Formats of files that become rows of a written table; `json` is JSON lines or a JSON array. */
export type ImportFormat = (typeof importFormats)[number]

/** The format of a file by its name, gzipped or not; undefined where the name says none. */
export function importFormatOf(fileName: string): ImportFormat | undefined {
  const extension = /\.([a-z0-9]+)(?:\.gz)?$/i.exec(fileName)?.[1]?.toLowerCase() ?? ''
  if (['csv', 'tsv', 'txt'].includes(extension)) return 'csv'
  if (['json', 'jsonl', 'ndjson'].includes(extension)) return 'json'
  return extension === 'parquet' ? 'parquet' : undefined
}
