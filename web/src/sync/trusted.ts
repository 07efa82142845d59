/** Updates a chat after the user has decided to trust a device of the other person. */
import type { Fingerprint } from '../crypto/crypto'
import type { Database } from '../local/database'
import { ofChat } from '../local/queries'
import type { Address, Failure, Moment } from '../local/types'
import { Work } from '../local/work'
import { requeueFailed } from './failed'

/** The failures that end when a device is trusted. */
const MENDED: Failure[] = ['undecided', 'distrusted']

/** Why a message could not be encrypted for anybody, judging by the recipient's devices. */
export function failureOf(known: Fingerprint[]): Failure {
  const active = known.filter((one) => one.active)
  if (active.some(({ trust }) => trust === 'undecided')) return 'undecided'
  return active.length && active.every(({ trust }) => trust === 'distrusted') ? 'distrusted' : 'no-device'
}

/**
 * Queues again what was not sent because no device was trusted, and removes the label "untrusted" from received
 * messages. True: something waits to be sent.
 */
export async function afterTrust(
  db: Database,
  me: Address,
  account: Address,
  known: Fingerprint[],
  now: Moment
): Promise<boolean> {
  const good = known.filter(({ trust }) => trust === 'verified' || trust === 'first-use')
  if (!good.length) return false
  return Work.run(db, async (work) => {
    const untrusted = await ofChat(db, account)
      .filter((one) => one.untrusted !== undefined && one.progress !== 'failed')
      .toArray()
    for (const message of untrusted) {
      if (!good.some(({ device }) => device === message.untrusted)) continue
      const trusted = { ...message, encrypted: true }
      delete trusted.untrusted
      work.setMessage(trusted)
    }
    return good.some((one) => one.active) && requeueFailed(work, me, account, MENDED, now)
  })
}
