/**
 * Sends what waits in the outbox: in order within each chat, and once. A message is encrypted when it is first sent,
 * for the devices known then, and removed when the server has acknowledged it. Each chat has a lane of its own, so that
 * chats do not block each other.
 */
import type { Database } from '../local/database'
import type { KeyBuffer } from '../local/key-buffer'
import type { Address, Moment, Outgoing } from '../local/types'
import type { Wire } from '../xmpp/wire'
import type { OutgoingXml } from '../xmpp/xml'
import type { OutgoingStanzas } from './outgoing-stanzas'
import type { Settlement } from './settlement'

const FIRST_WAIT_MS = 2000
const LONGEST_WAIT_MS = 300_000
/** The number of messages of a chat that are encrypted before the first of them is sent. */
const TOGETHER = 20

interface Lane {
  /** `seq` of the last entry sent in this session. */
  sent: number
  working: boolean
  failures: number
  timer?: ReturnType<typeof setTimeout>
}

export class Outbox {
  private lanes = new Map<string, Lane>()
  /** Receipts wait during catch-up, since the user's other devices may have sent them. */
  private holding = false
  constructor(
    private readonly db: Database,
    private readonly keyBuffer: KeyBuffer,
    private readonly wire: Wire,
    private readonly stanzas: OutgoingStanzas,
    private readonly settlement: Settlement,
    private readonly now: () => Moment
  ) {}

  /** A new session: whatever was not acknowledged in the old one is sent again. */
  reset(): void {
    for (const lane of this.lanes.values()) clearTimeout(lane.timer)
    this.lanes = new Map()
  }

  hold(on: boolean): void {
    this.holding = on
    if (!on) this.wake().catch(() => undefined)
  }

  /** Something may be waiting. */
  async wake(): Promise<void> {
    if (!this.wire.online) return
    for (const to of (await this.db.outgoing.orderBy('to').uniqueKeys()) as Address[]) {
      void this.work(to, 'messages')
      if (!this.holding) void this.work(to, 'marks')
    }
  }

  private async work(to: Address, kind: 'messages' | 'marks'): Promise<void> {
    const { lanes } = this
    const name = `${kind} ${to}`
    const lane = lanes.get(name) ?? { sent: 0, working: false, failures: 0 }
    lanes.set(name, lane)
    if (lane.working) return
    lane.working = true
    try {
      for (;;) {
        const rows = await this.next(to, kind, lane.sent)
        if (!rows.length || !this.wire.online || lanes !== this.lanes) return
        const prepared: { row: Outgoing; stanzas: OutgoingXml[] }[] = []
        let failure: { reason: unknown } | undefined
        for (const row of rows) {
          try {
            const before = row.made?.map((xml) => ({ xml }))
            prepared.push({ row, stanzas: before ?? (await this.stanzas.prepare(row)) })
          } catch (reason) {
            failure = { reason }
            break
          }
        }
        // Ratchet steps and stanzas are on the disk before anything is sent, in one go for all of them
        await this.keyBuffer.flush()
        const kept = await this.keep(prepared)
        if (!this.wire.online || lanes !== this.lanes) return
        for (const { row, stanzas } of prepared) {
          lane.sent = row.seq ?? 0
          lane.failures = 0
          if (stanzas.length && kept.has(row.seq)) this.transmit(row, stanzas)
        }
        if (failure) throw failure.reason
      }
    } catch {
      if (lanes !== this.lanes) return
      lane.failures += 1
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** lane.failures)
      clearTimeout(lane.timer)
      lane.timer = setTimeout(() => void this.work(to, kind), wait)
    } finally {
      lane.working = false
    }
  }

  private async next(to: Address, kind: 'messages' | 'marks', after: number): Promise<Outgoing[]> {
    return this.db.outgoing
      .where('[to+seq]')
      .between([to, after], [to, Infinity], false, true)
      .filter(({ what }) => (what.type === 'marker') === (kind === 'marks'))
      .limit(TOGETHER)
      .toArray()
  }

  /**
   * Keeps stanzas until they are acknowledged, since the same id with other content would be another message
   * (XEP-0359). A device that appears in the meantime requests the message. Receipts are the same each time, so they
   * are not kept. Returns the entries that are still to be sent: some may have been removed in the meantime.
   */
  private async keep(
    prepared: { row: Outgoing; stanzas: OutgoingXml[] }[]
  ): Promise<Set<number | undefined>> {
    const fresh = prepared.filter(
      ({ row, stanzas }) => !row.made && stanzas.length && row.what.type !== 'marker'
    )
    const { outgoing } = this.db
    return this.db.transaction('rw', outgoing, async () => {
      await outgoing.bulkUpdate(
        fresh.map(({ row, stanzas }) => ({
          key: row.seq ?? 0,
          changes: { made: stanzas.map(({ xml }) => xml) }
        }))
      )
      const all = prepared.map(({ row }) => row.seq ?? 0)
      return new Set<number | undefined>(await outgoing.where(':id').anyOf(all).primaryKeys())
    })
  }

  private transmit(one: Outgoing, stanzas: OutgoingXml[]): void {
    const at = this.now()
    Promise.all(stanzas.map((stanza) => this.wire.send(stanza)))
      .then(() => this.settlement.acknowledged(one, at))
      // The next session sends it again
      .catch(() => undefined)
  }
}
