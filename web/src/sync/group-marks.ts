/**
 * Tells groups how far this device has received and shown their messages: one stanza for each group every few seconds
 * at most, however many messages there are.
 */
import { isGroup } from '../local/address'
import type { Database } from '../local/database'
import type { Address } from '../local/types'
import { groupMarks } from '../xmpp/group-composed'
import type { Wire } from '../xmpp/wire'

/** Milliseconds between two of them for one group. */
const EVERY_MS = 3000

export class GroupMarks {
  private readonly timers = new Map<Address, ReturnType<typeof setTimeout>>()

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire
  ) {}

  /** Markers may wait in the outbox. */
  async wake(): Promise<void> {
    for (const group of (await this.db.outgoing.orderBy('to').uniqueKeys()) as Address[]) {
      if (!isGroup(group, this.me) || this.timers.has(group)) continue
      if (await this.tell(group))
        this.timers.set(
          group,
          setTimeout(() => void this.later(group), EVERY_MS)
        )
    }
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer)
    this.timers.clear()
  }

  private async later(group: Address): Promise<void> {
    this.timers.delete(group)
    await this.wake().catch(() => undefined)
  }

  /** Whether there was something to tell. */
  private async tell(group: Address): Promise<boolean> {
    if (!this.wire.online) return false
    const rows = await this.db.outgoing
      .where('to')
      .equals(group)
      .filter(({ what }) => what.type === 'marker')
      .toArray()
    if (!rows.length) return false
    const last = { received: '', displayed: '' }
    for (const { what } of rows) {
      if (what.type !== 'marker') continue
      for (const id of what.of) if (id > last[what.kind]) last[what.kind] = id
    }
    const delivered = last.received > last.displayed ? last.received : last.displayed
    try {
      await this.wire.send(groupMarks(group, delivered, last.displayed))
    } catch {
      return false // the next session tells it
    }
    await this.db.outgoing.bulkDelete(rows.flatMap(({ seq }) => (seq === undefined ? [] : [seq])))
    return true
  }
}
