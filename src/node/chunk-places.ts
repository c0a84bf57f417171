import { quotePath } from '../model/quote.js'
import type { ChunkPlace } from '../transfer/column-checksums.js'
import type { Instance } from './instance.js'

/** Where the column chunks of a Parquet file stand, by its footer. */
export async function readChunkPlaces(instance: Instance, path: string): Promise<readonly ChunkPlace[]> {
  const session = await instance.acquire('UTC')
  let sound = false
  try {
    const rows = await session.rows(
      `SELECT path_in_schema, least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0), data_page_offset))::DOUBLE,
        total_compressed_size::DOUBLE FROM parquet_metadata(${quotePath(path)}) ORDER BY row_group_id, column_id`,
    )
    sound = true
    return rows.map(([name, offset, length]) => ({
      leaf: String(name),
      offset: Number(offset),
      length: Number(length),
    }))
  } finally {
    instance.release(session, sound)
  }
}
