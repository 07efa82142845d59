/** What the user does with statuses, in any tab. Stored at once; the leading tab sends it. */
import type { Database } from '../local/database'
import { AUDIENCE, type Audience, LONGEST_STATUS, MUTED, type Status, statusKey } from '../local/statuses'
import type { Address, Moment } from '../local/types'

export class StatusActions {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly now: () => Moment,
    private readonly woken: () => void
  ) {}

  async post(text: string, color: string, audience: Audience, forward: boolean): Promise<void> {
    const id = crypto.randomUUID()
    const at = this.now()
    const status: Status = {
      ...{ key: statusKey(this.me, id), author: this.me, id, at, until: at + LONGEST_STATUS },
      ...{ kind: 'text', text, color, forward, seen: true, progress: 'waiting', viewers: {}, audience }
    }
    const { statuses, facts } = this.db
    await this.db.transaction('rw', statuses, facts, async () => {
      await statuses.add(status)
      await this.db.setFact(AUDIENCE, audience)
    })
    this.woken()
  }

  async retry(id: string): Promise<void> {
    await this.db.statuses.update(statusKey(this.me, id), { progress: 'waiting' })
    this.woken()
  }

  /** Deletes a status of the user for everyone. */
  async remove(id: string): Promise<void> {
    const { statuses, statusTasks } = this.db
    await this.db.transaction('rw', statuses, statusTasks, async () => {
      await statuses.delete(statusKey(this.me, id))
      await statusTasks.add({ type: 'retract', author: this.me, id })
    })
    this.woken()
  }

  /** A status was shown here. */
  async seen(author: Address, id: string): Promise<void> {
    const { statuses, statusTasks } = this.db
    await this.db.transaction('rw', statuses, statusTasks, async () => {
      const status = await statuses.get(statusKey(author, id))
      if (!status || status.seen) return
      await statuses.update(status.key, { seen: true })
      await statusTasks.add({ type: 'seen', author, id })
    })
    this.woken()
  }

  async mute(author: Address, on: boolean): Promise<void> {
    await this.db.transaction('rw', this.db.facts, async () => {
      const muted = ((await this.db.fact<Address[]>(MUTED)) ?? []).filter((one) => one !== author)
      await this.db.setFact(MUTED, on ? [...muted, author] : muted)
    })
  }
}
