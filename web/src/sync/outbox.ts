/**
 * Sends what waits in the outbox: in order within each chat, and once. A message is encrypted when it is first sent,
 * for the devices known then, and removed when the server has acknowledged it. Each chat has a lane of its own, so that
 * chats do not block each other.
 */
import { isGroup } from '../local/address'
import type { Database } from '../local/database'
import type { KeyBuffer } from '../local/key-buffer'
import type { Address, Moment, Outgoing } from '../local/types'
import type { Wire } from '../xmpp/wire'
import type { OutgoingXml } from '../xmpp/xml'
import type { GroupMarks } from './group-marks'
import type { OutgoingStanzas } from './outgoing-stanzas'
import type { Settlement } from './settlement'
import { isHeld } from './upload-queue'

const FIRST_WAIT_MS = 2000
const LONGEST_WAIT_MS = 300_000
/** The number of messages of a chat that are encrypted before the first of them is sent. */
const TOGETHER = 20

interface Lane {
  /** `seq` of the last entry sent in this session. */
  sent: number
  working: boolean
  failures: number
  /** It is to begin again with the first entry. */
  restart?: boolean
  timer?: ReturnType<typeof setTimeout>
}

export class Outbox {
  private lanes = new Map<string, Lane>()
  /** Receipts wait during catch-up, since the user's other devices may have sent them. */
  private holding = false
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly keyBuffer: KeyBuffer,
    private readonly wire: Wire,
    private readonly stanzas: OutgoingStanzas,
    private readonly settlement: Settlement,
    private readonly groupMarks: Pick<GroupMarks, 'wake'>,
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
    if (!this.holding) this.groupMarks.wake().catch(() => undefined)
    for (const to of (await this.db.outgoing.orderBy('to').uniqueKeys()) as Address[]) {
      void this.work(to, 'messages')
      if (!this.holding && !isGroup(to, this.me)) void this.work(to, 'marks')
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
        if (lane.restart) {
          lane.restart = false
          lane.sent = 0
        }
        const rows = await this.next(to, kind, lane.sent)
        if (!rows.length || !this.wire.online || lanes !== this.lanes) return
        const prepared: { row: Outgoing; stanzas: OutgoingXml[] }[] = []
        let failure: { reason: unknown } | undefined
        let number = await this.underWay(to, lane.sent)
        let held = false
        for (const row of rows) {
          // Its file is being uploaded; `wake` is called when it is
          held = !row.made && isHeld(row)
          if (held) break
          try {
            const before = row.made?.map((xml) => ({ xml }))
            const stanzas = before ?? (await this.stanzas.prepare(row))
            // The group may refuse what is under way, and this would overtake it
            held = number !== undefined && row.number !== undefined && row.number !== number
            if (held) break
            number = row.number ?? number
            prepared.push({ row, stanzas })
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
        if (held) return
      }
    } catch {
      if (lanes !== this.lanes) return
      lane.failures += 1
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** lane.failures)
      clearTimeout(lane.timer)
      lane.timer = setTimeout(() => void this.work(to, kind), wait)
    } finally {
      lane.working = false
      if (lane.restart && lanes === this.lanes) void this.work(to, kind)
    }
  }

  /** The number of a group's members for which messages are encrypted that it has not confirmed yet. */
  private async underWay(to: Address, sent: number): Promise<number | undefined> {
    if (!isGroup(to, this.me) || !sent) return undefined
    const row = await this.db.outgoing
      .where('[to+seq]')
      .between([to, 0], [to, sent], true, true)
      .filter((one) => one.number !== undefined)
      .last()
    return row?.number
  }

  /**
   * A group has refused what was encrypted for other members than it has: all of that is encrypted again, and sent
   * under the same ids. What the group has accepted nevertheless is acknowledged and not repeated.
   */
  async stale(to: Address, number: number): Promise<void> {
    await this.db.outgoing
      .where('to')
      .equals(to)
      .filter((row) => row.number !== undefined && row.number !== number)
      .modify((row: Outgoing) => {
        delete row.made
        delete row.number
      })
    await this.again(to)
  }

  /** Sends what waits for somebody once more, from the first entry on. */
  async again(to: Address): Promise<void> {
    const lane = this.lanes.get(`messages ${to}`)
    if (lane) lane.restart = true
    await this.work(to, 'messages')
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
          changes: {
            made: stanzas.map(({ xml }) => xml),
            ...(row.number !== undefined && { number: row.number })
          }
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
