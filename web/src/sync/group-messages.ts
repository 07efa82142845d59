/** What becomes of the user's messages in groups: refusals, and how many have received and read them. */
import type { Database } from '../local/database'
import { isArchiveId, timeOf } from '../local/order'
import { raise } from '../local/progress'
import type { Address } from '../local/types'
import { Work } from '../local/work'
import { countsIn, staleNumber } from '../xmpp/groups'
import { bare } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import { attribute, child, type Xml } from '../xmpp/xml'
import type { GroupKeys } from './group-keys'
import type { Groups } from './groups'
import type { Outbox } from './outbox'
import type { Settlement } from './settlement'

/** Milliseconds until something is sent again that a group could not take. */
const LATER_MS = 5000

export class GroupMessages {
  constructor(
    private readonly db: Database,
    private readonly groups: Groups,
    private readonly keys: GroupKeys,
    private readonly outbox: Outbox,
    private readonly settlement: Settlement
  ) {}

  /** A message came back with an error. */
  async refused(stanza: Xml): Promise<void> {
    const group = bare(attribute(stanza, 'from'))
    const id = attribute(stanza, 'id')
    const rows = await this.db.outgoing.where('id').equals(id).toArray()
    const row = rows.find(({ to }) => to === group)
    if (!row) return
    const number = staleNumber(stanza)
    if (number !== undefined) {
      this.keys.forget(group)
      this.groups.want(group)
      void this.outbox.stale(group, number).catch(() => undefined)
    } else if (attribute(child(stanza, NS.client, 'error'), 'type') === 'wait') {
      setTimeout(() => void this.outbox.again(group).catch(() => undefined), LATER_MS)
    } else {
      this.groups.want(group)
      await this.settlement.failed(row, 'refused')
      void this.groups.refresh()
    }
  }

  /** Sums of receipts, for messages of the user. */
  async counted(group: Address, stanza: Xml): Promise<void> {
    const all = countsIn(stanza).filter(({ id }) => isArchiveId(id))
    if (!all.length) return
    await Work.run(this.db, async (work) => {
      for (const { id, delivered, read, of } of all) {
        const found = await this.db.messages
          .where('[chat+at+order]')
          .equals([group, timeOf(id), id])
          .first()
        const message = found?.mine ? await work.message(found.key) : undefined
        if (!message) continue
        work.setMessage({ ...message, counts: { delivered, read, of } })
        if (of > 0 && delivered >= of) await raise(work, message.key, 'delivered')
        if (of > 0 && read >= of) await raise(work, message.key, 'read')
      }
    })
  }
}
