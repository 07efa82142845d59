/** Whether a number has an account here: asked before a chat with it is opened, so that none is opened with nobody. */
import type { Address } from '../local/types'

/** `unknown`: it could not be asked, as without the server or when too many numbers were asked for. */
export type Here = 'here' | 'absent' | 'unknown'

/** The server's list of who is here is so old at most: somebody may just have joined. */
const FRESH_MS = 2200

/** The number in an address of this server; undefined: it is another kind of address, of which nobody can be asked. */
export function numberAt(address: Address, home: string): string | undefined {
  const [local = '', domain] = address.split('@')
  return domain === home && /^\+[0-9]{7,15}$/.test(local) ? local : undefined
}

/** `discover`: which of the numbers are here; it rejects if that can't be said. Asking the same number again costs nothing. */
export async function isRegistered(
  discover: (numbers: string[]) => Promise<string[]>,
  number: string,
  pause = FRESH_MS
): Promise<Here> {
  try {
    if ((await discover([number])).includes(number)) return 'here'
    await new Promise((done) => setTimeout(done, pause))
    return (await discover([number])).includes(number) ? 'here' : 'absent'
  } catch {
    return 'unknown'
  }
}
