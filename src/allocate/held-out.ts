import { stableHash } from '../model/segment.js'

/**
 * True for the share of forecasts that are deliberately not acted on, so that what acting brings can be measured against
 * something. Drawn from the forecast's id, so that the same occurrence is always drawn the same way.
 */
export function isHeldOut(forecastId: string, share: number): boolean {
  return Number.parseInt(stableHash(['held-out', forecastId], 8), 16) / 0x1_0000_0000 < share
}
