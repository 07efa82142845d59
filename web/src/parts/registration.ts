/** Whether a number has an account here. This is asked before a chat is opened, so that nobody writes to no one. */
import type { Address } from '../local/types'

/** `unknown`: it could not be asked, for example without a connection, or after too many questions. */
export type Here = 'here' | 'absent' | 'unknown'

/** The maximum age of the server's list of accounts, in milliseconds: somebody may have joined since. */
const FRESH_MS = 2200

/** The number in an address of this server; undefined: it is another kind of address, which can't be asked about. */
export function numberAt(address: Address, home: string): string | undefined {
  const [local = '', domain] = address.split('@')
  return domain === home && /^\+[0-9]{7,15}$/.test(local) ? local : undefined
}

/** `discover`: which of the numbers have accounts; it rejects if that is unknown. Repeated questions cost nothing. */
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
