/** Opens the encryption. Its code is loaded only then, so that the first screen is shown earlier. */
import type { Database } from '../local/database'
import type { Address } from '../local/types'
import type { Crypto, KeyNetwork } from './crypto'

export async function openCrypto(db: Database, me: Address, network: KeyNetwork): Promise<Crypto> {
  const { Omemo } = await import('./omemo')
  return new Omemo(db, me, network)
}
