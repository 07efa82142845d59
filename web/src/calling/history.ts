/** The calls that this device knows of. */
import type { Database } from '../local/database'
import type { Address, CallEntry, Message } from '../local/types'

export type CallMessage = Message & { call: CallEntry }

const MOST = 500

/** The newest first. `account`: only those with one person. */
export async function callsOf(db: Database, account?: Address): Promise<CallMessage[]> {
  const all = await db.messages.where('id').startsWith('call-').toArray()
  return all
    .filter(
      (one): one is CallMessage => one.call !== undefined && (account === undefined || one.chat === account)
    )
    .sort((a, b) => b.at - a.at)
    .slice(0, MOST)
}
