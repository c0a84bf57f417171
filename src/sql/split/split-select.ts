import type { AstObject } from '../ast-text.js'
import type { Split, SplitContext } from './split.js'

/**
 * Splits a resolved SELECT into leaf, merge and root where the three are proven to give what the whole gives, whatever the
 * shares of the leaves and however many levels merge them; else says why not. Never rejects for a query that binds.
 */
export async function splitSelect(_node: AstObject, _context: SplitContext): Promise<Split> {
  return { shape: 'whole', why: 'not split yet' }
}
