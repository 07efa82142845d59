/**
 * People without encryption keys. The user is asked once for each of them whether messages may be sent unencrypted. The
 * permission ends visibly as soon as there are keys. Somebody who had keys before is never treated as if they had none.
 */
import type { Crypto, Fingerprint } from '../crypto/crypto'
import { updateChat } from '../local/chats'
import type { Database } from '../local/database'
import { addMessage } from '../local/messages'
import { messageKey, orderAt } from '../local/order'
import { ofChat } from '../local/queries'
import type { Address, Failure, Keyless as Decision, Moment } from '../local/types'
import { Work } from '../local/work'
import { requeueFailed } from './failed'
import type { Queueing } from './queueing'
import { failureOf } from './trusted'

export class Keyless {
  /** `queued` is called when something waits to be sent. */
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly now: () => Moment,
    private readonly queued: () => void
  ) {}

  /**
   * Decides about a message that can't be encrypted for anybody: it is sent unencrypted if the user has agreed to that,
   * otherwise it fails for the returned reason. Rejects while it is unknown whether there are keys, so that the message
   * waits.
   */
  async decide(to: Address): Promise<'unencrypted' | Failure> {
    const published = await this.crypto.published(to)
    const known = await this.crypto.fingerprints(to)
    if (published === 'now') return failureOf(known)
    const { keyless } = (await this.db.chats.get(to)) ?? {}
    if (keyless?.agreed && stillHolds(keyless, published, known)) return 'unencrypted'
    const before = published === 'before' || keyless?.before || (await hasWrittenEncrypted(this.db, to))
    await Work.run(this.db, (work) =>
      updateChat(work, to, { keyless: { agreed: false, before, since: this.now(), keys: [] } })
    )
    return 'no-device'
  }

  /** Keys of theirs were seen. */
  async appeared(address: Address): Promise<void> {
    if (!(await this.db.chats.get(address))?.keyless) return
    await Work.run(this.db, (work) => endKeyless(work, this.me, address, this.now()))
    this.queued()
  }
}

/**
 * Messages to somebody are encrypted from now on. The conversation says so if they were not. If the question was still
 * open, what waited for it is sent. The caller has to wake the outbox.
 */
export async function endKeyless(work: Work, me: Address, address: Address, now: Moment): Promise<void> {
  const { keyless } = await work.chat(address)
  if (!keyless) return
  await updateChat(work, address, { keyless: undefined })
  if (keyless.agreed) await addNotice(work, me, address, 'encrypted-again', now)
  else await requeueFailed(work, me, address, ['no-device'], now)
}

/**
 * Stores whether the user agrees to send unencrypted messages to somebody. `known`: the keys of theirs that are known.
 */
export async function sendUnencrypted(
  on: Queueing,
  address: Address,
  agreed: boolean,
  known: Fingerprint[]
): Promise<void> {
  await on.write(async (work) => {
    const { keyless } = await work.chat(address)
    if (!agreed) {
      await updateChat(work, address, { keyless: undefined })
      return
    }
    if (!keyless || keyless.agreed) return
    if (known.some(({ active }) => active)) {
      // keys have appeared since the question, so what waits is sent encrypted
      await updateChat(work, address, { keyless: undefined })
    } else {
      const keys = known.map(({ fingerprint }) => fingerprint)
      await updateChat(work, address, { keyless: { ...keyless, agreed, since: on.now(), keys } })
      await addNotice(work, on.me, address, 'unencrypted', on.now())
    }
    await requeueFailed(work, on.me, address, ['no-device'], on.now())
  })
}

/** Whether no keys were seen since the user agreed, not even for a while. */
function stillHolds(
  { before, keys }: Decision,
  published: 'before' | 'never',
  known: Fingerprint[]
): boolean {
  return (published === 'never' || before) && known.every(({ fingerprint }) => keys.includes(fingerprint))
}

/**
 * Whether they have written encrypted messages. A device that has never seen their keys may have such messages from
 * another one.
 */
async function hasWrittenEncrypted(db: Database, address: Address): Promise<boolean> {
  const found = await ofChat(db, address)
    .filter(
      ({ mine, kind, encrypted, untrusted, method }) =>
        !mine &&
        (kind === 'text'
          ? encrypted || untrusted !== undefined
          : kind === 'unreadable' && method === undefined)
    )
    .first()
  return found !== undefined
}

async function addNotice(
  work: Work,
  me: Address,
  address: Address,
  text: 'unencrypted' | 'encrypted-again',
  now: Moment
): Promise<void> {
  const at = Math.max(now, (await work.chat(address)).at)
  const id = crypto.randomUUID()
  await addMessage(work, me, {
    ...{ key: messageKey(address, me, true, id), chat: address, at, order: orderAt(at), id, text },
    ...{ from: address, mine: false, kind: 'notice', progress: 'read', reactions: {}, encrypted: true }
  })
}
