/** The ordinals of a base64 bitmap, ascending; the least significant bit of byte 0 is ordinal 0. */
export function bitmapOrdinals(bitmap: string): number[] {
  const ordinals: number[] = []
  const bytes = Buffer.from(bitmap, 'base64')
  for (let index = 0; index < bytes.length; index++) {
    let bits = bytes[index] ?? 0
    for (let bit = 0; bits !== 0; bit++, bits >>= 1) if (bits & 1) ordinals.push(index * 8 + bit)
  }
  return ordinals
}
